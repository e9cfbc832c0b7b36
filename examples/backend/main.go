// Backend embeds a session in an HTTP service that runs actors of its own. The service has a protoactor system
// already; the session moves into it, and the service's actors and komstream's can send to each other.
//
//	POST /readings/{uri}?at=TIME  records the number in the body: Session.Send
//	GET  /readings/{uri}          the newest readings, from the hub: Session.History
//	GET  /status                  how the session is doing: Session.Stats
//
// A session is safe for concurrent use, so all handlers share one. A handler passes the context of its request on: a
// caller who goes away, or a hub that is slow, ends the call and holds nothing up. Order matters at the end: first
// the server, so that no request comes in any more, then the session, which delivers what they have sent.
//
//	go run ./examples/backend
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/actors"
	"github.com/komstream/komstream/examples/internal/embed"
	"github.com/komstream/komstream/impulse"
	"github.com/komstream/komstream/metric"
)

func main() { embed.Main(example, "alice") }

// service is what the handlers share.
type service struct{ session *komstream.Session }

func (s *service) record(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
	if err == nil {
		// Number and time may be text; what is none is an error that names the rule. The caller tells the time, since
		// two readings that reached the service within a millisecond would be one if it was time.Now().
		uri := metric.URI(r.PathValue("uri"))
		err = s.session.Send(r.Context(), metric.Datapoint(uri, r.URL.Query().Get("at"), string(body)))
	}
	if err != nil {
		http.Error(w, err.Error(), statusOf(err))
		return
	}
	w.WriteHeader(http.StatusAccepted) // queued; the hub's answer comes later
}

func (s *service) history(w http.ResponseWriter, r *http.Request) {
	var text strings.Builder
	for sample, err := range s.session.History(r.Context(), metric.URI(r.PathValue("uri")), komstream.Range{Last: 10}) {
		if err != nil {
			http.Error(w, err.Error(), statusOf(err))
			return
		}
		fmt.Fprintln(&text, sample.Value)
	}
	_, _ = fmt.Fprint(w, text.String())
}

func (s *service) status(w http.ResponseWriter, _ *http.Request) {
	stats := s.session.Stats()
	_, _ = fmt.Fprintf(w, "%s, %d samples acknowledged, %d waiting\n", stats.State,
		stats.Outbound.Acknowledged, stats.Outbound.Queued+stats.Outbound.InFlight)
}

// statusOf turns what a session says into what HTTP says.
func statusOf(err error) int {
	var invalid *metric.InvalidError
	switch {
	case errors.As(err, &invalid):
		return http.StatusBadRequest
	case errors.Is(err, komstream.ErrNotFound):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}

func example(ctx context.Context, h *embed.Hub) error {
	// What the service has already: an actor system, and an actor that wants to know of every reading.
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	heard := make(chan metric.Sample, 16)
	clerk := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if notice, ok := c.Message().(*actors.Notice); ok {
			for _, sample := range notice.Samples {
				heard <- sample
			}
		}
	}))
	defer func() { _ = system.Root.StopFuture(clerk).Wait() }()

	// The session lives in the same system, and ToPID makes an impulse of the actor.
	config := h.Config("alice")
	config.System = actors.WithSystem(system)
	session, err := komstream.Open(ctx, config, impulse.Impulse{
		Name: "clerk", On: impulse.URIs("boiler.pressure"), Do: actors.ToPID(config.System, clerk),
	})
	if err != nil {
		return err
	}
	defer session.Close()

	s := &service{session}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /readings/{uri}", s.record)
	mux.HandleFunc("GET /readings/{uri}", s.history)
	mux.HandleFunc("GET /status", s.status)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	err = visit(ctx, "http://"+listener.Addr().String(), session, heard)
	err = errors.Join(err, server.Shutdown(ctx), session.Close())
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
