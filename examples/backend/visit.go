package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/metric"
)

// visit is the world outside.
func visit(ctx context.Context, base string, session *komstream.Session, heard <-chan metric.Sample) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, body string) error {
		request, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		fmt.Printf("%s %s %s: %s %s\n", method, path, body, answer.Status, strings.Join(strings.Fields(string(text)), " "))
		return err
	}
	for minute, bar := range []string{"1.20", "1.25", "1.31"} {
		if err := ask(http.MethodPost, fmt.Sprintf("/readings/boiler.pressure?at=2026-11-24T10:%02d:00Z", minute), bar); err != nil {
			return err
		}
		select {
		case sample := <-heard:
			fmt.Printf("the clerk has heard of %s %s\n", sample.URI, sample.Value)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(
		ask(http.MethodPost, "/readings/boiler.pressure?at=2026-11-24T10:03:00Z", "high"),
		ask(http.MethodGet, "/readings/boiler.pressure", ""),
		ask(http.MethodGet, "/readings/boiler.colour", ""),
		session.Flush(ctx), // so that the status is the same every time
		ask(http.MethodGet, "/status", ""),
	)
}
