package actors

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// WindowQuery asks a window's actor for a [WindowState]. Anybody may send it; the answer comes when the router
// gives the window its turn, between two messages of the hub.
type WindowQuery struct{}

// WindowState is a window's answer to a [WindowQuery].
type WindowState struct {
	URI   metric.URI
	Stats window.Stats
	// View shows the window as it was when it answered; it stays valid.
	View window.View
}

// appendRow is the router's order to append one row. The router reuses it: the window is done with it when Send
// returns.
type appendRow struct {
	late
	number uint64
	time   metric.TimeUUID
	value  metric.Value
	now    metric.Ticks
	// outcome is the window's answer, done that it was given: a suspended or failed window leaves it false.
	outcome window.Outcome
	done    bool
}

// onWindow is the router's order to do something else with the window: refill it, widen it, expire.
type onWindow struct {
	late
	do   func(*window.Window)
	done bool
}

// takeTurn gives a window the chance to handle what others have posted.
type takeTurn struct{ late }

func (*appendRow) routersTurn() {}
func (*onWindow) routersTurn()  {}
func (*takeTurn) routersTurn()  {}

// windowActor holds one metric's window. It is a child of the router and runs in the router's turn.
type windowActor struct {
	uri    metric.URI
	window *window.Window
}

// windowProps makes the actor of a window. fresh makes the window of each incarnation and hands it to the router.
func windowProps(uri metric.URI, giveTurn func(), fresh func() *window.Window) *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return &windowActor{uri: uri, window: fresh()} },
		actor.WithMailbox(func() actor.Mailbox { return newTurnbox(giveTurn) }),
	)
}

// Receive implements actor.Actor.
func (a *windowActor) Receive(c actor.Context) {
	switch m := c.Message().(type) {
	case *appendRow:
		m.outcome = a.window.Append(m.number, m.time, m.value, m.now)
		m.done = true
	case *onWindow:
		m.do(a.window)
		m.done = true
	case *WindowQuery:
		if c.Sender() != nil {
			c.Respond(&WindowState{URI: a.uri, Stats: a.window.Stats(), View: a.window.View()})
		}
	}
}
