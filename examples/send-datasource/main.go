// Send-datasource sends a text. Whatever a command prints, a table or a page of a log, can be stored as one sample
// of a datasource, with the time at which it was true, and read back later exactly as it was.
//
// It shows the three steps of every program that sends: open a session, Send, Flush. Send returns when the sample is
// queued. Flush returns when the hub has answered for everything queued before; what it could not accept was given
// to Events.Rejected by then. Then History reads the text back from the hub.
//
//	go run ./examples/send-datasource
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice") }

// disks names the metric. The levels are yours to choose; a common first level makes a subtree that can be shared.
const disks metric.URI = "host1.disk.usage"

// usage stands for the output of a command. A text has at most 131,072 bytes of UTF-8.
const usage = `Filesystem     Size  Used Avail Use%
/dev/sda1       98G   41G   53G  44%
/dev/sdb1      1.8T  1.1T  640G  64%`

func example(ctx context.Context, h *embed.Hub) error {
	// A refusal comes after Send has returned: this is where to hear of it. Without it, it is only logged.
	config := h.Config("alice")
	config.Events.Rejected = func(r komstream.Rejection) { fmt.Println("refused:", r) }

	session, err := komstream.Open(ctx, config)
	if err != nil {
		return err
	}
	defer session.Close()

	// The first sample of a metric makes it, and makes it a datasource for good.
	if err := session.Send(ctx, metric.Datasource(disks, time.Now(), usage)); err != nil {
		return err
	}
	if err := session.Flush(ctx); err != nil {
		return err
	}
	fmt.Printf("sent %d bytes to %s\n", len(usage), disks)

	for sample, err := range session.History(ctx, disks, komstream.Range{Last: 1}) {
		if err != nil {
			return err
		}
		lines := strings.Split(sample.Value.String(), "\n")
		fmt.Printf("the hub has %d lines of %s, the last one is\n%s\n", len(lines), sample.URI, lines[len(lines)-1])
	}

	// What breaks a rule is refused at once, before anything is queued, with the rule that it breaks.
	err = session.Send(ctx, metric.Datasource("host1..disk", time.Now(), usage))
	fmt.Println("not sent:", err)

	// Close by hand where its error matters: it names what could not be delivered. The deferred one then does nothing.
	return session.Close()
}
