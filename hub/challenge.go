package hub

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/komstream/komstream/connection"
)

// challenges are the logins under way. They live in memory only: a restart costs an agent one more step 1.
type challenges struct {
	perSecond float64 // of an address
	users     limiters

	mu        sync.Mutex
	byHash    map[challengeKey]*challenge
	addresses map[string]*address
}

// challengeKey holds the agent too: a challenge is good for the one it was made for.
type challengeKey struct {
	agent AgentID
	hash  [sha256.Size]byte
}

type challenge struct {
	agent   *agent
	text    []byte // what was sent, to be sent again above the rate
	issued  time.Time
	used    bool
	address *address
}

// address is what one address has asked for. The bound is for each, so that no stranger pushes out another's.
type address struct {
	limiter *rate.Limiter
	open    []challengeKey // oldest first
	last    time.Time
}

const (
	challengesPerAddress = 1024
	addressesKept        = 16384
)

// burst is how many challenges may be asked for at once.
func burst(perSecond float64) int { return max(1, int(10*perSecond)) }

func newChallenges(perSecond, ofUser float64) *challenges {
	return &challenges{
		perSecond: perSecond, users: limiters{perSecond: ofUser, burst: burst(ofUser)},
		byHash: map[challengeKey]*challenge{}, addresses: map[string]*address{},
	}
}

// again returns, where the address or the user asks above its rate, a challenge of the agent that the address has not
// used, so that it costs no computation; where there is none, how long the request has to wait.
func (c *challenges) again(a *agent, from string, now time.Time) (text []byte, wait time.Duration) {
	if from == "" {
		return nil, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	limiter := c.address(from, now).limiter
	if limiter.AllowN(now, 1) && c.users.take(a.user.name, now) {
		return nil, 0
	}
	open := c.addresses[from].open
	for i := len(open) - 1; i >= 0; i-- {
		if x := c.byHash[open[i]]; x != nil && x.agent == a && !x.used && now.Sub(x.issued) < challengeLife/2 {
			return x.text, 0
		}
	}
	return nil, max(time.Second, untilToken(limiter, now), c.users.wait(a.user.name, now))
}

func (c *challenges) address(from string, now time.Time) *address {
	a := c.addresses[from]
	if a == nil {
		if len(c.addresses) >= addressesKept {
			c.forget(now)
		}
		a = &address{limiter: rate.NewLimiter(rate.Limit(c.perSecond), burst(c.perSecond))}
		c.addresses[from] = a
	}
	a.last = now
	return a
}

// forget makes room among the addresses: those silent for a while go, and if there is none, any.
func (c *challenges) forget(now time.Time) {
	var victim string
	for name, a := range c.addresses {
		victim = name
		if now.Sub(a.last) > 2*challengeLife {
			c.drop(name)
		}
	}
	if len(c.addresses) >= addressesKept {
		c.drop(victim)
	}
}

func (c *challenges) drop(name string) {
	for _, k := range c.addresses[name].open {
		delete(c.byHash, k)
	}
	delete(c.addresses, name)
}

// add remembers a challenge that is about to be sent.
func (c *challenges) add(a *agent, from string, plaintext, text []byte, now time.Time) {
	c.put(challengeKey{a.id, connection.ChallengeHash(plaintext)}, a, from, text, now)
}

func (c *challenges) put(k challengeKey, a *agent, from string, text []byte, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place := c.address(from, now)
	if len(place.open) >= challengesPerAddress {
		delete(c.byHash, place.open[0])
		place.open = place.open[1:]
	}
	place.open = append(place.open, k)
	c.byHash[k] = &challenge{agent: a, text: text, issued: now, address: place}
}

// Error numbers of step 2 for the challenge itself.
const (
	challengeUnknown = 3806
	challengeUsed    = 3807
	challengeOld     = 3808
)

// check returns 0 or the error number for a challenge hash. It does not use it up: a wrong signature must not.
func (c *challenges) check(k challengeKey, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state(k, now)
}

func (c *challenges) state(k challengeKey, now time.Time) int {
	switch x := c.byHash[k]; {
	case x == nil:
		return challengeUnknown
	case x.used:
		return challengeUsed
	case now.Sub(x.issued) > challengeLife:
		return challengeOld
	}
	return 0
}

// use uses a challenge up, and returns as check does: of two proofs at the same time one wins.
func (c *challenges) use(k challengeKey, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	code := c.state(k, now)
	if code == 0 {
		c.byHash[k].used = true
	}
	return code
}

// sweep forgets what is long over. Used and old challenges are kept for a while, to be refused by their right number.
func (c *challenges) sweep(now time.Time) {
	c.users.sweep(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, a := range c.addresses {
		for len(a.open) > 0 {
			x := c.byHash[a.open[0]]
			if x != nil && now.Sub(x.issued) < 5*challengeLife {
				break
			}
			delete(c.byHash, a.open[0])
			a.open = a.open[1:]
		}
		if len(a.open) == 0 && now.Sub(a.last) > 2*challengeLife {
			delete(c.addresses, name)
		}
	}
}
