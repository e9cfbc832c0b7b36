package actors

import (
	"github.com/komstream/komstream/metric"
	"github.com/komstream/komstream/window"
)

// The messages between the actors of a session, by receiver. None is changed after it was sent, but for those the
// router sends to its windows in its own turn (windowactor.go).

// late is part of every message that may come when its receiver is gone, since the session is being closed: that is
// no news, and not worth the goroutine of a second with which protoactor limits its log of such messages.
type late struct{}

// IgnoreDeadLetterLogging implements actor.IgnoreDeadLetterLogging.
func (late) IgnoreDeadLetterLogging() {}

// To the router.
type (
	// drainInbound, from the reader: there are messages to take. One is under way at a time.
	drainInbound struct{ late }
	// giveTurn, from a window's mailbox: others have posted to the window.
	giveTurn struct {
		late
		id window.ID
	}
	// bindImpulses, from Bind: make windows and subscribe. Answered through the binding.
	bindImpulses struct {
		late
		binding *Binding
	}
	// unbindImpulses, from Unbind: take out. done is closed.
	unbindImpulses struct {
		late
		binding *Binding
		done    chan struct{}
	}
	// reloading, from the connection: every window is about to be read again.
	reloading struct{ late }
	// holdWindows, from the connection: these windows lack something and are about to be read again. held is closed when
	// their impulses are held.
	holdWindows struct {
		ids  []window.ID
		held chan<- struct{}
	}
	// startRefill, from the connection: this window is about to be read, what is pushed from now on is newer.
	startRefill struct {
		late
		id window.ID
	}
	// windowLoaded, from the connection: the hub's answer for one window.
	windowLoaded struct {
		late
		id window.ID
		// refill says that rows replace what the window holds; otherwise the window is as it should be.
		refill bool
		rows   []window.Row
		// waiting are the bindings that waited for it.
		waiting []*Binding
	}
	// windowAnew, from the actor of a window that was restarted: this is the new window.
	windowAnew struct {
		late
		id     window.ID
		window *window.Window
	}
	// expireWindows, from a timer: apply retention to the windows that nothing is appended to.
	expireWindows struct{ late }
	// askStats, from Stats: answered on reply, which has room for it. With last, from Shutdown, the router gives up
	// what it still holds: no impulse will run any more.
	askStats struct {
		late
		reply chan<- routerStats
		last  bool
	}
	// failRouter makes the router panic: fault injection.
	failRouter struct {
		late
		reason string
	}
)

// To the connection.
type (
	// wantWindows, from the router: subscribe these metrics and load this much of their past, then say windowLoaded.
	wantWindows struct {
		late
		binding *Binding
		pasts   map[window.ID]window.Past
	}
	// dropWindows, from the router: nobody uses these any more.
	dropWindows struct {
		late
		ids []window.ID
	}
	// resyncWindows, from the router: read these again.
	resyncWindows struct {
		late
		ids []window.ID
	}
	// missedWindows, from the goroutine that reads: the hub has left out updates of these. held is closed when their
	// impulses are held.
	missedWindows struct {
		ids  []window.ID
		held chan<- struct{}
	}
	// connected and connectFailed, from the goroutine that connects.
	connected struct {
		late
		epoch int
		link  *link
	}
	connectFailed struct {
		late
		epoch int
		err   error
	}
	// authenticating, from the goroutine that connects: it logs in.
	authenticating struct {
		late
		epoch int
	}
	// connectionLost, from the goroutine that reads.
	connectionLost struct {
		late
		epoch int
		err   error
	}
	// retryConnect, from a timer, and with epoch 0 from the supervisor for the first time.
	retryConnect struct {
		late
		epoch int
	}
	// synced, from a sync: what the hub said of one metric.
	synced struct {
		late
		epoch  int
		id     window.ID
		result syncResult
	}
	// retrySync, from a timer: try a denied subscription again.
	retrySync struct {
		late
		epoch int
		id    window.ID
	}
	// checkProgress, from a timer: is the hub answering?
	checkProgress struct {
		late
		epoch int
	}
	// closeConnection, from Shutdown: end for good. done is closed when the socket is.
	closeConnection struct {
		late
		done chan struct{}
	}
	// failConnection makes the connection actor panic: fault injection.
	failConnection struct {
		late
		reason string
	}
)

// To the session's supervisor.
type (
	// spawnImpulses, from Bind: start the actors of a binding. done is closed.
	spawnImpulses struct {
		late
		binding *Binding
		done    chan struct{}
	}
	// stopImpulses, from Unbind: stop them.
	stopImpulses struct {
		late
		binding *Binding
	}
)

// To an impulse.
type runInbox struct{ late }

// Messages without content are sent as these.
var (
	drain       = &drainInbound{}
	runTriggers = &runInbox{}
)

// syncResult is what the hub said of one metric.
type syncResult struct {
	// err is the hub's refusal, or nil.
	err error
	// exists says that the metric exists; otherwise the subscription is pending.
	exists bool
	// rows are the samples of its past, in any order.
	rows []window.Row
	kind metric.Kind
}
