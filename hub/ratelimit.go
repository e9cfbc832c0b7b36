package hub

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// LimitError is too many attempts: the next one may come after RetryAfter.
type LimitError struct{ RetryAfter time.Duration }

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("hub: too many attempts: try again in %v", e.RetryAfter.Round(time.Second))
}

// Wrong proofs and wrong passwords are guesses: each address and each user has this many, and gets more at this rate.
// An address has fewer than a user, so that one stranger does not lock a user out for all.
const (
	guessesPerSecond = 0.2
	guessesOfAddress = 20
	guessesOfUser    = 100
	guessersKept     = 16384 // of each sort
)

// guesses limits failed attempts by address and by user.
type guesses struct{ addresses, users limiters }

func newGuesses() *guesses {
	return &guesses{
		addresses: limiters{perSecond: guessesPerSecond, burst: guessesOfAddress},
		users:     limiters{perSecond: guessesPerSecond, burst: guessesOfUser},
	}
}

// blocked returns how long an attempt from an address for a user has to wait, 0 for not at all. An empty name is not
// limited.
func (g *guesses) blocked(from, user string, now time.Time) time.Duration {
	return max(g.addresses.wait(from, now), g.users.wait(user, now))
}

// failed counts a failed attempt.
func (g *guesses) failed(from, user string, now time.Time) {
	g.addresses.take(from, now)
	g.users.take(user, now)
}

func (g *guesses) sweep(now time.Time) {
	g.addresses.sweep(now)
	g.users.sweep(now)
}

// limiters are token buckets by name. The names that have not used theirs are not kept.
type limiters struct {
	perSecond float64
	burst     int

	mu     sync.Mutex
	byName map[string]*rate.Limiter
}

// wait returns how long until there is a token, 0 for none.
func (l *limiters) wait(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.byName[name]
	if x == nil || name == "" {
		return 0
	}
	return untilToken(x, now)
}

// take takes a token, and reports whether there was one.
func (l *limiters) take(name string, now time.Time) bool {
	if name == "" {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.byName[name]
	if x == nil {
		if len(l.byName) >= guessersKept {
			l.forget(now)
		}
		if l.byName == nil {
			l.byName = map[string]*rate.Limiter{}
		}
		x = rate.NewLimiter(rate.Limit(l.perSecond), l.burst)
		l.byName[name] = x
	}
	return x.AllowN(now, 1)
}

// forget makes room: those that are as good as new go, and if there is none, any.
func (l *limiters) forget(now time.Time) {
	victim := ""
	for name, x := range l.byName {
		victim = name
		if x.TokensAt(now) >= float64(l.burst) {
			delete(l.byName, name)
		}
	}
	if len(l.byName) >= guessersKept {
		delete(l.byName, victim)
	}
}

func (l *limiters) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, x := range l.byName {
		if x.TokensAt(now) >= float64(l.burst) {
			delete(l.byName, name)
		}
	}
}

// untilToken returns how long until a limiter has a token.
func untilToken(x *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - x.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(x.Limit()) * float64(time.Second))
}

// retryAfter is the value of the HTTP header, in whole seconds.
func retryAfter(d time.Duration) string { return fmt.Sprint(max(1, int(math.Ceil(d.Seconds())))) }

// bucket is whom an address is counted with. Who has one IPv6 address usually has 2^64 of them.
func bucket(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
