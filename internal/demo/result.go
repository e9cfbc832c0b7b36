package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/komstream/komstream"
)

// Result is what a demo did, over both users.
type Result struct {
	// SamplesSent were given to the sessions, by readings and by impulses; SamplesAcknowledged of them the hub has
	// stored, SamplesRefused it has not, and SamplesReplaced never left, since one of the same metric and time
	// followed in the same message.
	SamplesSent         uint64 `json:"samples_sent"`
	SamplesAcknowledged uint64 `json:"samples_acknowledged"`
	SamplesRefused      uint64 `json:"samples_refused"`
	SamplesReplaced     uint64 `json:"samples_replaced"`
	// UpdatesReceived are samples that came from the hub; SharedUpdates those of Alice's that came to Bob.
	UpdatesReceived uint64 `json:"updates_received"`
	SharedUpdates   uint64 `json:"shared_updates"`
	// ImpulseRuns are finished runs, FailedRuns the failed ones among them, ImpulseSamples what they sent.
	ImpulseRuns    uint64 `json:"impulse_runs"`
	FailedRuns     uint64 `json:"failed_runs"`
	ImpulseSamples uint64 `json:"impulse_samples"`
	// MergedTriggers were answered by a run of another, because of a throttle, a loading window or a slow function.
	MergedTriggers uint64 `json:"merged_triggers"`
	// RefusedRemoteWrites are samples for Alice's metrics that Bob tried to write.
	RefusedRemoteWrites uint64 `json:"refused_remote_writes"`
	// Connections were made, Cuts of them were cut on purpose.
	Connections uint64 `json:"connections"`
	Cuts        uint64 `json:"cuts"`
	Seed        uint64 `json:"seed,omitempty"`
	// Restarts are actors that failed and were started anew, and Malformed messages of the hub that could not be read:
	// faults of komstream, both.
	Restarts  uint64 `json:"restarts"`
	Malformed uint64 `json:"malformed"`
	// CheckedRuns were looked at by the checker, and Wrong is how many of them broke a rule.
	CheckedRuns uint64 `json:"checked_runs"`
	Wrong       uint64 `json:"wrong"`
	// Seconds is how long the demo ran.
	Seconds float64 `json:"seconds"`

	// Faults says what was wrong, the first ones.
	Faults []string `json:"faults,omitempty"`
}

// Check returns an error that says what does not add up, or nil. The result must be that of [Demo.Finish].
func (r Result) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("demo: "+format, args...)) }
	if answered := r.SamplesAcknowledged + r.SamplesRefused + r.SamplesReplaced; r.SamplesSent != answered {
		fault("%d samples were sent but %d answered", r.SamplesSent, answered)
	}
	if r.SamplesRefused > 0 {
		fault("the hub refused %d samples", r.SamplesRefused)
	}
	if r.FailedRuns > 0 {
		fault("%d runs failed", r.FailedRuns)
	}
	if r.Restarts+r.Malformed > 0 {
		fault("%d actors were restarted, %d messages not read", r.Restarts, r.Malformed)
	}
	if r.CheckedRuns != r.ImpulseRuns {
		fault("%d runs were counted but %d checked", r.ImpulseRuns, r.CheckedRuns)
	}
	if r.Wrong > 0 {
		fault("%d runs broke a rule", r.Wrong)
	}
	return errors.Join(faults...)
}

// result adds up what there is now.
func (d *Demo) result() Result {
	r := Result{RefusedRemoteWrites: d.refused.Load(), Seed: d.Seed(), Seconds: hundredth(time.Since(d.started).Seconds())}
	for _, u := range d.users {
		stats := u.session.Stats()
		r.SamplesSent += u.sent.Load()
		r.SamplesAcknowledged += stats.Outbound.Acknowledged
		r.SamplesRefused += stats.Outbound.Refused
		r.SamplesReplaced += stats.Outbound.Replaced
		r.UpdatesReceived += stats.Updates
		r.SharedUpdates += u.checker.Foreign()
		r.Connections += stats.Connects
		r.Restarts += stats.Restarts
		r.Malformed += stats.Malformed
		r.CheckedRuns += u.checker.Runs()
		r.Wrong += u.checker.Wrong()
		r.Faults = append(r.Faults, u.checker.Faults()...)
		for _, i := range stats.Impulses {
			r.SamplesSent += i.Emitted
			r.ImpulseRuns += i.Counters.Ran
			r.FailedRuns += i.Counters.Failed
			r.ImpulseSamples += i.Emitted
			r.MergedTriggers += i.Counters.Coalesced + i.Counters.Throttled
			r.RefusedRemoteWrites += i.Foreign
		}
	}
	return r
}

// settleTimeout bounds the end of a demo, which under chaos may begin while the users are not connected.
const settleTimeout = 30 * time.Second

// Finish ends the demo: it stops reading, waits until everything is acknowledged and every impulse has run, has the
// checker look at the counters, and ends sessions and hub. The result is as far as it came, even with an error.
func (d *Demo) Finish(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	d.stop()
	d.reading.Wait()
	cuts := d.chaos.end()
	err := d.settle(ctx)
	if err == nil {
		for _, u := range d.users {
			for _, i := range u.session.Stats().Impulses {
				u.checker.Finish(i.Name, i.Counters)
			}
		}
	}
	r := d.result()
	r.Cuts = cuts
	return r, errors.Join(err, d.close())
}

// settle waits until both sessions are live, nothing is unanswered, and no message comes any more.
func (d *Demo) settle(ctx context.Context) error {
	const pause, calm = 20 * time.Millisecond, 5
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var before uint64
	for quiet := 0; quiet < calm; {
		for _, u := range d.users {
			if err := u.session.Flush(ctx); err != nil {
				return fmt.Errorf("demo: user %s, session %s: %w", u.name, u.session.State(), err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("demo: does not come to rest: %w", context.Cause(ctx))
		case <-tick.C:
		}
		quiet++
		messages, busy := d.activity()
		if busy || messages != before {
			before, quiet = messages, 0
		}
	}
	return nil
}

// activity returns how many messages came, and whether anything waits.
func (d *Demo) activity() (messages uint64, busy bool) {
	for _, u := range d.users {
		stats := u.session.Stats()
		messages += stats.Messages
		busy = busy || stats.State != komstream.StateLive || stats.Outbound.Queued+stats.Outbound.InFlight > 0
		for _, i := range stats.Impulses {
			busy = busy || i.Counters.Pending+i.Counters.Running > 0
		}
	}
	return messages, busy
}
