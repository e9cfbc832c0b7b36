package machine

import (
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
)

func readMemory(ctx context.Context, b *batch) error {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return err
	}
	if m.Total == 0 {
		return errNone
	}
	add(b, "mem.total", m.Total)
	add(b, "mem.used", m.Used)
	add(b, "mem.available", m.Available)
	add(b, "mem.free", m.Free)
	// A machine without swap space is not one without memory.
	if s, err := mem.SwapMemoryWithContext(ctx); err == nil {
		add(b, "mem.swap_used", s.Used)
	}
	return nil
}

func readLoad(ctx context.Context, b *batch) error {
	l, err := load.AvgWithContext(ctx)
	if err != nil {
		return err
	}
	add(b, "load.one", hundredth(l.Load1))
	add(b, "load.five", hundredth(l.Load5))
	add(b, "load.fifteen", hundredth(l.Load15))
	return nil
}

func readDisks(ctx context.Context, b *batch) error {
	all, err := disk.IOCountersWithContext(ctx)
	if err != nil {
		return err
	}
	total, count := sumDisks(all)
	if count == 0 {
		return errNone
	}
	add(b, "disk.read_bytes", total.ReadBytes)
	add(b, "disk.write_bytes", total.WriteBytes)
	add(b, "disk.reads", total.ReadCount)
	add(b, "disk.writes", total.WriteCount)
	return nil
}

// sumDisks adds up the whole disks and counts them. Partitions, and devices made of others, would count the same
// bytes twice.
func sumDisks(all map[string]disk.IOCountersStat) (total disk.IOCountersStat, count int) {
	for name, c := range all {
		if isLayered(name, "loop", "ram", "zram", "dm-", "md") || isPartition(name, all) {
			continue
		}
		total.ReadBytes += c.ReadBytes
		total.WriteBytes += c.WriteBytes
		total.ReadCount += c.ReadCount
		total.WriteCount += c.WriteCount
		count++
	}
	return total, count
}

// isPartition reports whether another device is the disk that name is a part of: sda for sda1, nvme0n1 for nvme0n1p1.
func isPartition(name string, all map[string]disk.IOCountersStat) bool {
	whole := strings.TrimRight(name, "0123456789")
	if whole == name {
		return false
	}
	if _, ok := all[whole]; ok {
		return true
	}
	whole, cut := strings.CutSuffix(whole, "p")
	_, ok := all[whole]
	return cut && ok
}

func readNetwork(ctx context.Context, b *batch) error {
	all, err := net.IOCountersWithContext(ctx, true)
	if err != nil {
		return err
	}
	total, count := sumInterfaces(all)
	if count == 0 {
		return errNone
	}
	add(b, "net.rx_bytes", total.BytesRecv)
	add(b, "net.tx_bytes", total.BytesSent)
	add(b, "net.rx_packets", total.PacketsRecv)
	add(b, "net.tx_packets", total.PacketsSent)
	return nil
}

// sumInterfaces adds up the interfaces that lead out of the machine and counts them: not loopback, and not the
// bridges and pairs of containers, whose traffic passes a real interface too.
func sumInterfaces(all []net.IOCountersStat) (total net.IOCountersStat, count int) {
	for _, c := range all {
		if isLayered(c.Name, "veth", "br-", "docker", "virbr", "cni", "flannel") || c.Name == "lo" || c.Name == "lo0" {
			continue
		}
		total.BytesRecv += c.BytesRecv
		total.BytesSent += c.BytesSent
		total.PacketsRecv += c.PacketsRecv
		total.PacketsSent += c.PacketsSent
		count++
	}
	return total, count
}

// isLayered reports whether the name of a device starts with one of the prefixes.
func isLayered(name string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
