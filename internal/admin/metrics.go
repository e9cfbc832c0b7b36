package admin

import (
	"context"
	"strings"
	"time"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/metric"
)

// Usage is what a user has stored; see [hub.Usage].
type Usage struct {
	Datasources  int64 `json:"datasources"`
	Datapoints   int64 `json:"datapoints"`
	Samples      int64 `json:"samples"`
	Bytes        int64 `json:"bytes"`
	TextsToday   int64 `json:"textsToday"`
	NumbersToday int64 `json:"numbersToday"`
}

// Metric is a metric of a user and what there is of it; see [hub.Detail].
type Metric struct {
	URI     string `json:"uri"`  // local
	Kind    string `json:"kind"` // as [metric.Kind.String] writes it
	Samples int64  `json:"samples"`
	Bytes   int64  `json:"bytes"`
	// Last is the time of the newest sample; zero where Samples is 0.
	Last time.Time `json:"last,omitzero"`
	// Value is the newest sample: the number's text, or the first [MaxValue] bytes of a text.
	Value    string       `json:"value,omitempty"`
	Supplies []metric.URI `json:"supplies,omitempty"`
}

// MaxValue is how much of a text a [Metric] shows, in bytes.
const MaxValue = 512

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func usage(ctx context.Context, h *hub.Hub, user string) (Reply, error) {
	u, err := h.Usage(ctx, user)
	if err != nil {
		return Reply{}, err
	}
	x := Usage(u)
	return Reply{Usage: &x}, nil
}

func listMetrics(ctx context.Context, h *hub.Hub, user string, prefix metric.URI) (Reply, error) {
	all, err := h.Details(ctx, user, prefix)
	if err != nil {
		return Reply{}, err
	}
	list := make([]Metric, len(all))
	for i, d := range all {
		m := Metric{URI: string(d.URI), Kind: d.Kind.String(), Samples: d.Samples, Bytes: d.Bytes, Supplies: d.Supplies}
		if d.Samples > 0 {
			text := d.Value.String()
			m.Last, m.Value = d.Last.Time(), strings.ToValidUTF8(text[:min(len(text), MaxValue)], "")
		}
		list[i] = m
	}
	return Reply{Metrics: list}, nil
}

func deleteMetrics(ctx context.Context, h *hub.Hub, user string, uri metric.URI, tree bool) (Reply, error) {
	if !tree {
		return Reply{Count: 1}, h.Delete(ctx, user, uri)
	}
	n, err := h.DeleteTree(ctx, user, uri)
	return Reply{Count: n}, err
}
