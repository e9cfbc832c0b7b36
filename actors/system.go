package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
)

// System is an actor system for sessions to live in. Sessions that share one cost 3 MB less each. The zero value
// is not usable; see [WithSystem].
type System struct{ system *actor.ActorSystem }

// WithSystem returns the System of a backend that has a protoactor system already: the sessions' actors live beside
// the backend's own and can be sent to. komstream never shuts it down.
func WithSystem(system *actor.ActorSystem) *System { return &System{system: system} }

// newSystem makes a session's own actor system. It has nothing that must be shut down: protoactor's Shutdown closes
// a channel that nobody waits on.
func newSystem(log *zap.Logger) *System {
	return WithSystem(actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithName("actor")))
	})))
}
