package hub

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/hub/store/pebblestore"
	"github.com/komstream/komstream/metric"
)

// Backup copies the hub's data to a new directory, which must not exist, while the hub goes on. Everything answered
// 4200 before the call is in it. Starting a hub on the directory, or on a copy of it, restores the backup.
func (h *Hub) Backup(ctx context.Context, dir string) error {
	b, ok := h.store.(interface {
		Backup(ctx context.Context, dir string) error
	})
	if !ok {
		return errors.New("hub: backup: this hub keeps its data in memory")
	}
	if err := b.Backup(ctx, dir); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	return nil
}

// Verification is what [Verify] has counted.
type Verification struct {
	Users, Agents, Cookies, Shares, Hooks int
	Metrics                               int
	Samples                               int64
	Bytes                                 int64 // as [Usage.Bytes]
	Arrivals                              int64
	// Faults are contradictions, the first hundred of them: a sample of no metric, a record that cannot be read.
	Faults []string
}

// faultsKept bounds Verification.Faults.
const faultsKept = 100

// Verify reads everything in a hub's directory, while no hub uses it, and changes nothing: every checksum, the form
// of every record, and whether what refers to something finds it. Damaged data is an error that names the file;
// contradictions are told in the result.
func Verify(ctx context.Context, dir string) (v Verification, err error) {
	s, err := pebblestore.OpenReadOnly(pebblestore.Config{Dir: dir})
	if err != nil {
		return v, fmt.Errorf("hub: verify: %w", err)
	}
	defer func() {
		if closed := s.Close(); err == nil && closed != nil {
			err = fmt.Errorf("hub: verify: %w", closed)
		}
	}()
	c := verifier{result: &v, users: map[uint64]bool{}, agents: map[AgentID]bool{}, series: map[uint64]metric.Kind{}}
	// Twice: what is referred to may come behind what refers to it.
	if err := s.Scan(ctx, pebblestore.Scan{Record: c.learn}); err != nil {
		return v, fmt.Errorf("hub: verify: %w", err)
	}
	err = s.Scan(ctx, pebblestore.Scan{Record: c.record, Sample: c.sample, Arrival: c.arrival})
	if err != nil {
		return v, fmt.Errorf("hub: verify: %w", err)
	}
	return v, nil
}

type verifier struct {
	result *Verification
	users  map[uint64]bool
	agents map[AgentID]bool
	series map[uint64]metric.Kind
}

func (c *verifier) fault(format string, args ...any) {
	if len(c.result.Faults) < faultsKept {
		c.result.Faults = append(c.result.Faults, fmt.Sprintf(format, args...))
	}
}

// learn notes what others refer to.
func (c *verifier) learn(table store.Table, key, value []byte) error {
	switch table {
	case store.TableUsers:
		var r userRecord
		if json.Unmarshal(value, &r) == nil {
			c.users[r.ID] = true
		}
	case store.TableAgents:
		c.agents[AgentID(key)] = true
	case store.TableMetrics:
		var r metricRecord
		if json.Unmarshal(value, &r) == nil && len(r.Kind) == 1 {
			c.series[r.Series] = metric.Kind(r.Kind[0])
		}
	}
	return nil
}

func (c *verifier) record(table store.Table, key, value []byte) error {
	v := c.result
	switch table {
	case store.TableUsers:
		v.Users++
		c.decodes(table, key, value, &userRecord{})
	case store.TableAgents:
		v.Agents++
		var r agentRecord
		if c.decodes(table, key, value, &r) && !c.users[r.User] {
			c.fault("agent %s is of user %d, who does not exist", key, r.User)
		}
	case store.TableCookies:
		v.Cookies++
		c.decodes(table, key, value, &cookieRecord{})
	case store.TableShares:
		v.Shares++
		var r shareRecord
		if c.decodes(table, key, value, &r) && !(c.users[r.Owner] && c.users[r.To]) {
			c.fault("share of %d:%s with %d: one of the users does not exist", r.Owner, r.URI, r.To)
		}
	case store.TableMetrics:
		v.Metrics++
		var r metricRecord
		if c.decodes(table, key, value, &r) && (len(r.Kind) != 1 || len(key) < 9) {
			c.fault("metric %q has kind %q", key, r.Kind)
		} else if len(key) >= 9 && !c.users[binary.BigEndian.Uint64(key)] {
			c.fault("metric %s is of user %d, who does not exist", key[8:], binary.BigEndian.Uint64(key))
		}
	case store.TableHooks:
		v.Hooks++
	}
	return nil
}

func (c *verifier) decodes(table store.Table, key, value []byte, into any) bool {
	if err := json.Unmarshal(value, into); err != nil {
		c.fault("record %q of table %d cannot be read: %v", key, table, err)
		return false
	}
	return true
}

func (c *verifier) sample(series uint64, content []byte) error {
	c.result.Samples++
	c.result.Bytes += sampleBytes(len(content))
	kind, known := c.series[series]
	if !known {
		c.fault("a sample is of series %d, which is of no metric", series)
		return nil
	}
	if _, err := valueOf(kind, content); err != nil {
		c.fault("a sample of series %d is no %s: %v", series, kind, err)
	}
	return nil
}

func (c *verifier) arrival(a *store.Arrival) error {
	c.result.Arrivals++
	if !c.users[a.Owner] {
		c.fault("arrival %d is of user %d, who does not exist", a.Position, a.Owner)
	}
	return nil
}
