// Package demo runs everything at once, on real input: a hub on a free port of this machine, and two users with their
// impulses. Alice sends what this machine is doing and derives metrics from it; Bob reads what she shares and derives
// his own. An independent checker ([github.com/komstream/komstream/internal/check]) watches both.
//
//	d, err := demo.Start(ctx, demo.Config{})
//	…                            // d.Snapshot() is what there is to see
//	result, err := d.Finish(ctx)
//
// With Config.Chaos the connections of both are cut every few seconds, and the sums of the [Result] must be right all
// the same.
package demo
