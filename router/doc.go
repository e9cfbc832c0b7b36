// Package router knows which impulse is subscribed to which window, and turns the messages that arrive into triggers.
//
// A [Router] numbers each message ([Router.Route]), notes which impulses it concerns, and gives each of them, once
// for all messages drained together, its triggers in order ([Router.Flush]). An impulse does not get a trigger by
// samples that descend from its own, and gets none, but one that holds all of them, until the windows it waits for
// are loaded ([Router.Hold], [Router.Loaded]). What the router holds or skips is counted ([Router.Counters]) so that
// together with the counters of the impulse's queue nothing is unaccounted for.
//
// An [Echo] recognises a session's own samples where the hub does not say where they come from.
//
// Both are values without goroutine, clock or lock, for one caller at a time. In the steady state routing allocates
// nothing; its cost is proportional to the rows of the messages and the subscriptions of those rows.
package router
