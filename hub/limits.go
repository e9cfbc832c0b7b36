package hub

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// Retention bounds what is kept of some metrics; a zero field bounds nothing. The hub enforces it in the background,
// about once a minute: until then there may be more.
type Retention struct {
	// Age is how old a sample may be, by its own time.
	Age time.Duration `json:"age,omitempty"`
	// Count is how many samples are kept of each metric, the newest ones. Up to a sixteenth more may be kept for long.
	Count int64 `json:"count,omitempty"`
	// Bytes is what all the metrics may hold together, counted as [Usage.Bytes] is. Beyond it the oldest samples go,
	// of whichever metric.
	Bytes int64 `json:"bytes,omitempty"`
}

// RetentionRule is the retention of a subtree: a uri and everything below it, "" for the whole data model. Of several
// that cover a metric the narrowest holds, and that one alone.
type RetentionRule struct {
	URI metric.URI `json:"uri,omitempty"` // local to the user
	Retention
}

// Quota bounds what a user may have and send; a zero field bounds nothing. What exceeds it is refused with 4430 and a
// reason that names the bound, the whole message with it.
type Quota struct {
	// Datasources and Datapoints are how many metrics of each kind there may be (refused with 51010 and 51036).
	Datasources int64 `json:"datasources,omitempty"`
	Datapoints  int64 `json:"datapoints,omitempty"`
	// TextsPerDay and NumbersPerDay are how many samples of datasources and of datapoints may be sent in a day of UTC
	// (51090 and 51095).
	TextsPerDay   int64 `json:"textsPerDay,omitempty"`
	NumbersPerDay int64 `json:"numbersPerDay,omitempty"`
	// Bytes is what all samples may hold together, counted as [Usage.Bytes] is (51090 or 51095, by the kind of the
	// sample). What is stored is counted within a minute of the hub's start; before, it counts as nothing.
	Bytes int64 `json:"bytes,omitempty"`
}

// settings is what an administrator has set for a user. It is replaced as a whole.
type settings struct {
	Password  string          `json:"password,omitempty"` // hashed
	Quota     Quota           `json:"quota,omitzero"`
	Retention []RetentionRule `json:"retention,omitempty"` // sorted by uri
}

// current returns the user's settings, never nil. They must not be changed.
func (u *user) current() *settings {
	if s := u.settings.Load(); s != nil {
		return s
	}
	return &settings{}
}

// change replaces a user's settings by what edit makes of a copy.
func (d *directory) change(ctx context.Context, u *user, edit func(s *settings)) error {
	d.changes.Lock()
	defer d.changes.Unlock()
	next := *u.current()
	next.Retention = slices.Clone(next.Retention)
	edit(&next)
	var b store.Batch
	b.Put(record(store.TableUsers, userKey(u.id), userRecord{u.id, u.name, next}))
	if err := d.store.Commit(ctx, &b); err != nil {
		return fmt.Errorf("hub: storing the settings of user %s: %w", u.name, err)
	}
	u.settings.Store(&next)
	return nil
}

// SetRetention sets what is kept of a subtree of a user, given local to the user; "" is the whole data model, and the
// zero Retention takes a rule away. There need not be such a metric. It is enforced within moments: set the rule that is
// to spare a part before the one for the whole.
func (h *Hub) SetRetention(ctx context.Context, username string, uri metric.URI, r Retention) error {
	u, local, err := h.subtree(username, uri)
	if err != nil {
		return err
	}
	if r.Age < 0 || r.Count < 0 || r.Bytes < 0 {
		return fmt.Errorf("hub: retention of %s:%s: age %v, count %d and bytes %d must not be negative",
			u.name, local, r.Age, r.Count, r.Bytes)
	}
	err = h.directory.change(ctx, u, func(s *settings) {
		i, found := slices.BinarySearchFunc(s.Retention, local, func(x RetentionRule, uri metric.URI) int {
			return cmp.Compare(x.URI, uri)
		})
		switch {
		case r == Retention{} && found:
			s.Retention = slices.Delete(s.Retention, i, i+1)
		case r == Retention{}:
		case found:
			s.Retention[i].Retention = r
		default:
			s.Retention = slices.Insert(s.Retention, i, RetentionRule{local, r})
		}
	})
	if err == nil {
		h.keepHouse()
	}
	return err
}

// Retention returns a user's rules, sorted by uri.
func (h *Hub) Retention(username string) ([]RetentionRule, error) {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return nil, err
	}
	return slices.Clone(u.current().Retention), nil
}

// subtree checks a user and a uri of the user, which may be "" for everything.
func (h *Hub) subtree(username string, uri metric.URI) (*user, metric.URI, error) {
	u, err := h.directory.mustUser(username)
	if err != nil || uri == "" {
		return u, "", err
	}
	if err := uri.Check(); err != nil {
		return nil, "", fmt.Errorf("hub: subtree: %w", err)
	}
	local, own := ownURI(uri, u)
	if !own {
		return nil, "", fmt.Errorf("hub: subtree %s: must be a uri of the user %s", uri, u.name)
	}
	return u, metric.URI(strings.Clone(string(local))), nil
}

// SetQuota sets what a user may have and send; the zero Quota bounds nothing. What there is already stays.
func (h *Hub) SetQuota(ctx context.Context, username string, q Quota) error {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return err
	}
	if min(q.Datasources, q.Datapoints, q.TextsPerDay, q.NumbersPerDay, q.Bytes) < 0 {
		return fmt.Errorf("hub: quota of user %s: %+v must have no negative field", u.name, q)
	}
	err = h.directory.change(ctx, u, func(s *settings) { s.Quota = q })
	if err == nil {
		h.keepHouse()
	}
	return err
}

// Quota returns what a user may have and send.
func (h *Hub) Quota(username string) (Quota, error) {
	u, err := h.directory.mustUser(username)
	if err != nil {
		return Quota{}, err
	}
	return u.current().Quota, nil
}

// Error numbers of quotas.
const (
	codeQuotaDatasources = 51010
	codeQuotaDatapoints  = 51036
	codeQuotaTexts       = 51090
	codeQuotaNumbers     = 51095
)

// longestName bounds the names of metrics, in bytes: the protocol does not, but each level of one is a node in memory.
const longestName = 4096

func nameTooLong(uri metric.URI) string {
	return fmt.Sprintf("the name of a metric has %d bytes, may have at most %d", len(uri), longestName)
}

// daily counts the samples of a day of UTC.
type daily struct{ day, texts, numbers int64 }

func dayOf(now time.Time) int64 { return now.Unix() / int64(24*time.Hour/time.Second) }

// on returns the counts of the day, zeros on a new one.
func (d daily) on(day int64) daily {
	if d.day != day {
		return daily{day: day}
	}
	return d
}

// admit counts writes against the owner's quota and returns the refusal where they exceed it.
func (g *group) admit(m *model, writes []write) wire.Response {
	for i := range writes {
		if w := &writes[i]; w.isNew && len(w.uri) > longestName {
			code := codeQuotaDatapoints
			if w.value.Kind() == metric.KindDatasource {
				code = codeQuotaDatasources
			}
			return refusal(wire.StatusDenied, code, nameTooLong(w.uri))
		}
	}
	q := m.owner.current().Quota
	if q == (Quota{}) {
		return wire.Response{}
	}
	var asked asking
	for i := range writes {
		asked.add(&writes[i])
	}
	before := m.daily
	today := before.on(dayOf(g.now))
	today.texts += asked.texts
	today.numbers += asked.numbers
	if refused := asked.exceeds(q, m, today); refused.Status != 0 {
		return refused
	}
	if q.TextsPerDay > 0 || q.NumbersPerDay > 0 {
		m.mu.Lock()
		m.daily = today
		m.mu.Unlock()
		g.batch.Put(m.dailyRecord())
		g.undo = append(g.undo, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.daily = before
		})
	}
	return wire.Response{}
}

// asking is what a message would add.
type asking struct{ datasources, datapoints, texts, numbers, bytes int64 }

func (a *asking) add(w *write) {
	kinds, samples := &a.datapoints, &a.numbers
	if w.value.Kind() == metric.KindDatasource {
		kinds, samples = &a.datasources, &a.texts
	}
	*samples++
	if w.isNew {
		*kinds++
	}
	a.bytes += sampleBytes(w.value.Len())
}

func (a *asking) exceeds(q Quota, m *model, today daily) wire.Response {
	const ask = ": delete some, or ask the hub's administrator for more"
	over := func(bound, asked, would int64) bool { return bound > 0 && asked > 0 && would > bound }
	refuse := func(code int, format string, bound int64) wire.Response {
		return refusal(wire.StatusDenied, code, fmt.Sprintf(format, bound))
	}
	switch {
	case over(q.Datasources, a.datasources, m.datasources+a.datasources):
		return refuse(codeQuotaDatasources, "the quota of %d datasources is used up"+ask, q.Datasources)
	case over(q.Datapoints, a.datapoints, m.datapoints+a.datapoints):
		return refuse(codeQuotaDatapoints, "the quota of %d datapoints is used up"+ask, q.Datapoints)
	case over(q.TextsPerDay, a.texts, today.texts):
		return refuse(codeQuotaTexts, "the quota of %d text samples a day is used up until midnight UTC", q.TextsPerDay)
	case over(q.NumbersPerDay, a.numbers, today.numbers):
		return refuse(codeQuotaNumbers, "the quota of %d numeric samples a day is used up until midnight UTC", q.NumbersPerDay)
	case over(q.Bytes, a.bytes, m.total.bytes+a.bytes):
		code := codeQuotaNumbers
		if a.texts > 0 {
			code = codeQuotaTexts
		}
		return refuse(code, "the quota of %d stored bytes is used up"+ask, q.Bytes)
	}
	return wire.Response{}
}

// dailyRecord is the counts of the day on disk, so that a restart does not begin the day anew.
func (m *model) dailyRecord() store.Record {
	value := []byte{1}
	for _, n := range [...]int64{m.daily.day, m.daily.texts, m.daily.numbers} {
		value = binary.AppendVarint(value, n)
	}
	return store.Record{Table: store.TableDaily, Key: userKey(m.owner.id), Value: value}
}

// loadDaily reads the counts of the day.
func (h *Hub) loadDaily(ctx context.Context) error {
	return h.store.Records(ctx, store.TableDaily, func(key, value []byte) error {
		var counts [3]int64
		if len(key) != 8 || len(value) == 0 || value[0] != 1 {
			return fmt.Errorf("hub: daily counts %q: %w", key, errRecord)
		}
		value = value[1:]
		for i := range counts {
			n := 0
			if counts[i], n = binary.Varint(value); n <= 0 {
				return fmt.Errorf("hub: daily counts %q: %w", key, errRecord)
			}
			value = value[n:]
		}
		if u := h.directory.byID[binary.BigEndian.Uint64(key)]; u != nil {
			u.model.daily = daily{counts[0], counts[1], counts[2]}
		}
		return nil
	})
}
