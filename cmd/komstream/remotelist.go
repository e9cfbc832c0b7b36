package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/metric"
)

// listRemote lists metrics through a session.
func (o *options) listRemote(*cobra.Command, string, metric.URI) ([]listed, error) {
	return nil, usage(fmt.Errorf("listing through a hub is %w: name its data directory with --dir", komstream.ErrUnsupported))
}

// below returns the metrics at a uri and below it.
func (r *remote) below(context.Context, metric.URI) ([]metric.URI, error) {
	return nil, fmt.Errorf("listing through a hub is %w: name its data directory with --dir", komstream.ErrUnsupported)
}
