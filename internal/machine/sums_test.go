package machine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/net"
)

func TestShares(t *testing.T) {
	before := cpu.TimesStat{User: 10, System: 5, Idle: 100, Iowait: 3, Guest: 8}
	tests := []struct {
		name  string
		after cpu.TimesStat
		want  []float64 // in the order of modes
	}{
		{"by mode", cpu.TimesStat{User: 11, System: 5.5, Idle: 102, Iowait: 3.5, Guest: 9}, []float64{25, 12.5, 0, 50, 12.5, 0, 0, 0}},
		{"a counter steps back", cpu.TimesStat{User: 11, System: 5, Idle: 101, Iowait: 2.9}, []float64{50, 0, 0, 50, 0, 0, 0, 0}},
		{"hundredths", cpu.TimesStat{User: 11, System: 5, Idle: 102, Iowait: 3}, []float64{33.33, 0, 0, 66.67, 0, 0, 0, 0}},
		{"no time passed", before, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, shares(before, tt.after)); diff != "" {
				t.Errorf("shares (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDisksAreCountedOnce(t *testing.T) {
	one := disk.IOCountersStat{ReadBytes: 100, WriteBytes: 10, ReadCount: 4, WriteCount: 2}
	all := map[string]disk.IOCountersStat{}
	for _, name := range []string{
		"sda", "sda1", "sda12", "nvme0n1", "nvme0n1p1", "mmcblk0", "mmcblk0p2", "vdb1", "loop0", "ram3", "zram0", "dm-0", "md127",
	} {
		all[name] = one
	}
	total, count := sumDisks(all)
	if count != 4 || total.ReadBytes != 400 || total.WriteBytes != 40 || total.ReadCount != 16 || total.WriteCount != 8 {
		t.Errorf("sum is %v over %d disks, want sda, nvme0n1, mmcblk0 and vdb1, a part without its disk", total, count)
	}
}

func TestOnlyInterfacesThatLeadOutCount(t *testing.T) {
	var all []net.IOCountersStat
	for _, name := range []string{"lo", "eth0", "wlan0", "veth12ab", "docker0", "br-9f", "virbr0"} {
		all = append(all, net.IOCountersStat{Name: name, BytesRecv: 7, BytesSent: 3, PacketsRecv: 2, PacketsSent: 1})
	}
	total, count := sumInterfaces(all)
	if count != 2 || total.BytesRecv != 14 || total.BytesSent != 6 || total.PacketsRecv != 4 || total.PacketsSent != 2 {
		t.Errorf("sum is %v over %d interfaces, want eth0 and wlan0", total, count)
	}
}

func TestTable(t *testing.T) {
	all := []usage{
		{pid: 1, name: "init", cpu: 0, rss: 8 << 20},
		{pid: 300, name: "komstream", cpu: 12.34, rss: 35 << 20},
		{pid: 4, name: "new", cpu: -1, rss: 1 << 30},
		{pid: 20, name: "bad\x1b[2Jname with many more runes", cpu: 12.34, rss: 40 << 20},
	}
	want := `    PID  NAME                       CPU%        RSS
     20  bad?[2Jname with many mo   12.3   40.0 MiB
    300  komstream                  12.3   35.0 MiB
      1  init                        0.0    8.0 MiB
      4  new                           - 1024.0 MiB
`
	if diff := cmp.Diff(want, table(all)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	many := make([]usage, 50)
	if lines := strings.Count(table(many), "\n"); lines != 1+busiest {
		t.Errorf("a table of 50 processes has %d lines, want %d", lines, 1+busiest)
	}
}
