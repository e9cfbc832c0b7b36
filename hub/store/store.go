package store

import (
	"context"
	"errors"
	"time"

	"github.com/komstream/komstream/metric"
)

// Store is a hub's memory. Its methods are safe for concurrent use. A method that fails for want of the medium
// returns an error that wraps [ErrUnavailable]; the hub answers it with "service temporarily unavailable".
type Store interface {
	// Commit writes a batch as one: when it returns nil, all of it survives the loss of power, and otherwise none
	// of it does, save that after an error of the medium itself the whole batch may be found after a restart.
	// Concurrent commits share the cost of reaching the disk. The batch belongs to the caller again on return.
	Commit(ctx context.Context, b *Batch) error

	// Records calls visit for each record of a table in the order of the keys, until visit returns an error, which
	// it then returns. Key and value are valid during the call only.
	Records(ctx context.Context, table Table, visit func(key, value []byte) error) error

	// Samples calls visit for each sample of a series between from and to, both inclusive, newest first, in
	// the order of [metric.TimeUUID.Compare], until visit returns false. Content is valid during the call only.
	// Samples of a commit that is still under way may be among them.
	Samples(ctx context.Context, series uint64, from, to metric.TimeUUID,
		visit func(t metric.TimeUUID, content []byte) bool) error

	// Since returns the owner's arrivals behind position, oldest first: at most limit of them and, but for the
	// first, at most about 1 MiB. Where the log begins later than position+1, it begins with the first one kept.
	Since(ctx context.Context, owner, position uint64, limit int) ([]Arrival, error)

	// Last returns the position of the owner's newest arrival, 0 for none.
	Last(ctx context.Context, owner uint64) (uint64, error)

	// Trim forgets the owner's arrivals from before a time, and the oldest beyond about maxBytes. The newest is
	// always kept.
	Trim(ctx context.Context, owner uint64, before time.Time, maxBytes int64) error

	// Ready returns nil where a commit would be tried now, and otherwise why not. It wraps [ErrUnavailable].
	Ready() error

	// Close waits for calls in progress and releases everything. Calls afterwards return [ErrClosed].
	Close() error
}

var (
	// ErrUnavailable is wrapped by errors of the medium: a full or failing disk.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrClosed is returned by calls after Close. It wraps ErrUnavailable.
	ErrClosed = closedError{}
)

type closedError struct{}

func (closedError) Error() string { return "store: closed" }
func (closedError) Unwrap() error { return ErrUnavailable }

// Table names a set of records. The numbers are part of the format on disk: never change or re-use one.
type Table uint8

// The tables.
const (
	TableMeta    Table = 1
	TableUsers   Table = 2
	TableAgents  Table = 3
	TableCookies Table = 4
	TableShares  Table = 5
	TableMetrics Table = 6
	TableHooks   Table = 7
	TableSeen    Table = 8
	TableDaily   Table = 9
)

// Arrival is one accepted message of an owner's data model.
type Arrival struct {
	Owner    uint64
	Position uint64 // 1, 2, 3, … for each owner
	At       time.Time
	Seq      metric.TimeUUID // the sender's number of the message; zero where it sent none of this form
	Via      []metric.Origin
	Time     metric.TimeUUID // of the samples
	Items    []Item
}

// Item is one sample of an arrival, as accepted.
type Item struct {
	Series  uint64
	URI     metric.URI // local to the owner
	Kind    metric.Kind
	Content string
}

// Record is one record of a table, or its deletion.
type Record struct {
	Table Table
	Key   string
	Value []byte // nil, not empty, deletes the record
}

// Sample is one sample of a series.
type Sample struct {
	Series  uint64
	Time    metric.TimeUUID
	Content string
}

// Cut says that a series loses all samples before a time, which itself stays.
type Cut struct {
	Series uint64
	Before metric.TimeUUID
}

// Batch is what is to be written together, each list in its order: of two entries for one thing the later prevails.
// The zero Batch is empty and ready.
type Batch struct {
	Records  []Record
	Samples  []Sample
	Cuts     []Cut    // series that lose their old samples, those of this batch too
	Drop     []uint64 // series that lose all their samples, those of this batch too
	Arrivals []Arrival
}

// Put adds a record.
func (b *Batch) Put(r Record) { b.Records = append(b.Records, r) }

// Delete adds the deletion of a record, which need not exist.
func (b *Batch) Delete(table Table, key string) {
	b.Records = append(b.Records, Record{Table: table, Key: key})
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Records)+len(b.Samples)+len(b.Cuts)+len(b.Drop)+len(b.Arrivals) == 0
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Records)
	clear(b.Samples)
	clear(b.Arrivals)
	*b = Batch{
		Records: b.Records[:0], Samples: b.Samples[:0], Cuts: b.Cuts[:0], Drop: b.Drop[:0], Arrivals: b.Arrivals[:0],
	}
}
