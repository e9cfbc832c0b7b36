// Package machine reads what the machine it runs on is doing, as samples ready to be sent: the time of its
// processors by mode, memory, load, disk and network counters, and a text table of the busiest processes. The demo
// and the command line use it to have something real to stream.
//
//	reader := machine.NewReader("host")
//	samples, err := reader.Read(ctx, time.Now())   // host.cpu.user, host.mem.used, …, host.processes
//
// What can be read differs: a container may see no disks and no network. A source that is missing is left out, said
// once as a [*MissingError], and tried again at the next read.
package machine
