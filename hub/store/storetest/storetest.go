package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/komstream/komstream/hub/store"
	"github.com/komstream/komstream/metric"
)

// Run tests a kind of store. open returns a new, empty store each time.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for name, test := range map[string]func(*testing.T, store.Store){
		"records":           records,
		"samples":           samples,
		"random samples":    randomSamples,
		"dropped series":    droppedSeries,
		"cut series":        cutSeries,
		"arrivals":          arrivals,
		"since is bounded":  sinceIsBounded,
		"trim":              trim,
		"many writers":      manyWriters,
		"use after close":   useAfterClose,
		"cancelled context": cancelled,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, s)
		})
	}
}

func commit(t *testing.T, s store.Store, b *store.Batch) {
	t.Helper()
	if err := s.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func readRecords(t *testing.T, s store.Store, table store.Table) (all []string) {
	t.Helper()
	err := s.Records(context.Background(), table, func(key, value []byte) error {
		all = append(all, string(key)+"="+string(value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func records(t *testing.T, s store.Store) {
	put := func(table store.Table, key, value string) store.Record {
		return store.Record{Table: table, Key: key, Value: []byte(value)}
	}
	commit(t, s, &store.Batch{Records: []store.Record{
		put(store.TableUsers, "b", "1"), put(store.TableUsers, "a", "2"), put(store.TableHooks, "a", "3"),
		put(store.TableUsers, "a\xff", ""), put(store.TableUsers, "a", "4"), put(store.TableUsers, "", "5"),
	}})
	want := []string{"=5", "a=4", "a\xff=", "b=1"}
	if diff := cmp.Diff(want, readRecords(t, s, store.TableUsers)); diff != "" {
		t.Error(diff)
	}
	// The order within a batch counts.
	commit(t, s, &store.Batch{Records: []store.Record{
		{Table: store.TableUsers, Key: "none"},
		{Table: store.TableUsers, Key: "b"}, put(store.TableUsers, "b", "6"),
		put(store.TableUsers, "a", "7"), {Table: store.TableUsers, Key: "a"},
	}})
	if diff := cmp.Diff([]string{"=5", "a\xff=", "b=6"}, readRecords(t, s, store.TableUsers)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a=3"}, readRecords(t, s, store.TableHooks)); diff != "" {
		t.Error(diff)
	}
	stop := errors.New("stop")
	seen := 0
	err := s.Records(context.Background(), store.TableUsers, func(_, _ []byte) error { seen++; return stop })
	if !errors.Is(err, stop) || seen != 1 {
		t.Errorf("a visit that fails ended the walk with %v after %d records, want %v after 1", err, seen, stop)
	}
}

func at(ticks metric.Ticks, low uint64) metric.TimeUUID { return metric.NewTimeUUID(ticks, low) }

func readSamples(t *testing.T, s store.Store, series uint64, from, to metric.TimeUUID) (all []string) {
	t.Helper()
	err := s.Samples(context.Background(), series, from, to, func(at metric.TimeUUID, content []byte) bool {
		all = append(all, at.String()+" "+string(content))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func samples(t *testing.T, s store.Store) {
	times := []metric.TimeUUID{
		metric.MinTime, at(-5, metric.PlainLow), at(0, metric.PlainLow), at(7, 0x8080808080808080),
		at(7, metric.PlainLow), at(7, 0xbf7f7f7f7f7f7f7f), metric.MaxTime,
	}
	b := &store.Batch{}
	for i, x := range times {
		b.Samples = append(b.Samples,
			store.Sample{Series: 1, Time: x, Content: fmt.Sprint(i)}, store.Sample{Series: 2, Time: x, Content: "other"})
	}
	b.Samples = append(b.Samples, store.Sample{Series: 1, Time: times[2], Content: "overwritten"})
	commit(t, s, b)
	var want []string
	for i := len(times) - 1; i >= 0; i-- {
		content := fmt.Sprint(i)
		if i == 2 {
			content = "overwritten"
		}
		want = append(want, times[i].String()+" "+content)
	}
	if diff := cmp.Diff(want, readSamples(t, s, 1, metric.MinTime, metric.MaxTime)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:3], readSamples(t, s, 1, times[4], times[5])); diff != "" {
		t.Error("both bounds are inclusive: ", diff)
	}
	if got := readSamples(t, s, 1, times[5], times[4]); got != nil {
		t.Errorf("reversed bounds hold %v, want nothing", got)
	}
	if got := readSamples(t, s, 3, metric.MinTime, metric.MaxTime); got != nil {
		t.Errorf("an unknown series holds %v, want nothing", got)
	}
	seen := 0
	_ = s.Samples(context.Background(), 1, metric.MinTime, metric.MaxTime, func(metric.TimeUUID, []byte) bool {
		seen++
		return seen < 2
	})
	if seen != 2 {
		t.Errorf("a visit that stopped at 2 samples saw %d", seen)
	}
}

func randomSamples(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	type key struct {
		series uint64
		t      metric.TimeUUID
	}
	oracle := map[key]string{}
	instant := func() metric.TimeUUID { return at(metric.Ticks(r.IntN(40)-20), r.Uint64N(4)<<62|r.Uint64N(3)*0x81) }
	for range 30 {
		b := &store.Batch{}
		for i := range 1 + r.IntN(30) {
			k := key{r.Uint64N(3), instant()}
			x := store.Sample{Series: k.series, Time: k.t, Content: fmt.Sprint(i, r.Uint32())}
			b.Samples = append(b.Samples, x)
			oracle[k] = x.Content
		}
		commit(t, s, b)
		series, from, to := r.Uint64N(3), instant(), instant()
		var rows []metric.TimeUUID
		for k := range oracle {
			if k.series == series && k.t.Compare(from) >= 0 && k.t.Compare(to) <= 0 {
				rows = append(rows, k.t)
			}
		}
		slices.SortFunc(rows, func(a, b metric.TimeUUID) int { return b.Compare(a) })
		var want []string
		for _, x := range rows {
			want = append(want, x.String()+" "+oracle[key{series, x}])
		}
		if diff := cmp.Diff(want, readSamples(t, s, series, from, to)); diff != "" {
			t.Fatalf("series %d from %v to %v: %s", series, from, to, diff)
		}
	}
}

func droppedSeries(t *testing.T, s store.Store) {
	sample := func(series uint64, content string) store.Sample {
		return store.Sample{Series: series, Time: at(1, metric.PlainLow), Content: content}
	}
	commit(t, s, &store.Batch{Samples: []store.Sample{sample(1, "a"), sample(2, "b"), sample(256, "c")}})
	commit(t, s, &store.Batch{Drop: []uint64{1}, Samples: []store.Sample{sample(1, "d")}})
	if got := readSamples(t, s, 1, metric.MinTime, metric.MaxTime); got != nil {
		t.Errorf("the dropped series holds %v", got)
	}
	for _, series := range []uint64{2, 256} {
		if got := readSamples(t, s, series, metric.MinTime, metric.MaxTime); len(got) != 1 {
			t.Errorf("series %d holds %v, want its sample", series, got)
		}
	}
}

func cutSeries(t *testing.T, s store.Store) {
	times := []metric.TimeUUID{
		metric.MinTime, at(-5, metric.PlainLow), at(7, 0x8080808080808080), at(7, metric.PlainLow), at(8, metric.PlainLow),
	}
	b := &store.Batch{}
	for i, x := range times {
		b.Samples = append(b.Samples,
			store.Sample{Series: 1, Time: x, Content: fmt.Sprint(i)}, store.Sample{Series: 2, Time: x, Content: "other"})
	}
	commit(t, s, b)
	cut := func(series uint64, before metric.TimeUUID, fresh ...store.Sample) {
		commit(t, s, &store.Batch{Samples: fresh, Cuts: []store.Cut{{Series: series, Before: before}}})
	}
	left := func(series uint64) int { return len(readSamples(t, s, series, metric.MinTime, metric.MaxTime)) }
	cut(1, metric.MinTime)
	if left(1) != 5 {
		t.Errorf("a cut before the first sample left %d of 5", left(1))
	}
	cut(1, times[3], store.Sample{Series: 1, Time: at(-9, metric.PlainLow), Content: "of the same batch"})
	if left(1) != 2 {
		t.Errorf("a cut at the fourth of five samples left %v, want the last two", readSamples(t, s, 1, metric.MinTime, metric.MaxTime))
	}
	cut(1, metric.MaxTime)
	cut(3, metric.MaxTime)
	if left(1) != 0 || left(2) != 5 {
		t.Errorf("%d samples left of the series cut at the end of time and %d of the other, want 0 and 5", left(1), left(2))
	}
}

func arrival(owner, position uint64, at time.Time, content string) store.Arrival {
	return store.Arrival{
		Owner: owner, Position: position, At: at.Truncate(time.Microsecond).UTC(),
		Seq: metric.MaxTime, Via: []metric.Origin{metric.OriginOf("u", "i")}, Time: metric.MinTime,
		Items: []store.Item{
			{Series: 7, URI: "a.b", Kind: metric.KindDatapoint, Content: "1.50"},
			{Series: 8, URI: "c", Kind: metric.KindDatasource, Content: content},
		},
	}
}

func since(t *testing.T, s store.Store, owner, position uint64, limit int) []store.Arrival {
	t.Helper()
	found, err := s.Since(context.Background(), owner, position, limit)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func arrivals(t *testing.T, s store.Store) {
	now := time.Now()
	var want []store.Arrival
	for i := range uint64(5) {
		want = append(want, arrival(1, i+1, now, fmt.Sprint("text ", i)))
		commit(t, s, &store.Batch{Arrivals: []store.Arrival{want[i], arrival(2, i+1, now, "other")}})
	}
	if diff := cmp.Diff(want, since(t, s, 1, 0, 100)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[2:4], since(t, s, 1, 2, 2)); diff != "" {
		t.Error(diff)
	}
	if got := since(t, s, 1, 5, 100); len(got) != 0 {
		t.Errorf("behind the newest there is %v", got)
	}
	for owner, want := range map[uint64]uint64{1: 5, 2: 5, 3: 0} {
		if got, err := s.Last(context.Background(), owner); got != want || err != nil {
			t.Errorf("Last(%d) = %d, %v, want %d", owner, got, err, want)
		}
	}
}

func sinceIsBounded(t *testing.T, s store.Store) {
	large := strings.Repeat("x", 700<<10)
	for i := range uint64(3) {
		commit(t, s, &store.Batch{Arrivals: []store.Arrival{arrival(1, i+1, time.Now(), large)}})
	}
	if got := since(t, s, 1, 0, 100); len(got) != 1 {
		t.Errorf("Since returned %d arrivals of 700 KiB at once, want 1", len(got))
	}
}

func trim(t *testing.T, s store.Store) {
	now := time.Now().Truncate(time.Second)
	for i := range uint64(10) {
		commit(t, s, &store.Batch{Arrivals: []store.Arrival{arrival(1, i+1, now.Add(time.Duration(i)*time.Minute), "x")}})
	}
	for _, c := range []struct {
		before time.Time
		first  uint64
	}{{now, 1}, {now.Add(150 * time.Second), 4}, {now.Add(time.Hour), 10}} {
		if err := s.Trim(context.Background(), 1, c.before, 1<<30); err != nil {
			t.Fatal(err)
		}
		if got := since(t, s, 1, 0, 100); got[0].Position != c.first || got[len(got)-1].Position != 10 {
			t.Errorf("after Trim before %v the log begins at %d, want %d", c.before.Sub(now), got[0].Position, c.first)
		}
	}
	if err := s.Trim(context.Background(), 99, now, 1); err != nil {
		t.Errorf("Trim of an unknown owner: %v", err)
	}
}

func manyWriters(t *testing.T, s store.Store) {
	const writers, each = 8, 25
	done := make(chan error)
	for w := range uint64(writers) {
		go func() {
			for i := range metric.Ticks(each) {
				x := store.Sample{Series: w, Time: at(i, metric.PlainLow), Content: "x"}
				err := s.Commit(context.Background(), &store.Batch{Samples: []store.Sample{x}})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for w := range uint64(writers) {
		if got := readSamples(t, s, w, metric.MinTime, metric.MaxTime); len(got) != each {
			t.Errorf("series %d holds %d samples, want %d", w, len(got), each)
		}
	}
}

func useAfterClose(t *testing.T, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, sinceErr := s.Since(ctx, 1, 0, 1)
	_, lastErr := s.Last(ctx, 1)
	for i, err := range []error{
		s.Commit(ctx, &store.Batch{Drop: []uint64{1}}), sinceErr, lastErr, s.Trim(ctx, 1, time.Now(), 1), s.Ready(),
		s.Records(ctx, store.TableUsers, nil), s.Samples(ctx, 1, metric.MinTime, metric.MaxTime, nil),
	} {
		if !errors.Is(err, store.ErrClosed) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("call %d after Close: %v, want ErrClosed", i, err)
		}
	}
}

func cancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b := &store.Batch{Samples: []store.Sample{{Series: 1, Time: at(1, metric.PlainLow), Content: "x"}}}
	if err := s.Commit(ctx, b); !errors.Is(err, context.Canceled) {
		t.Errorf("commit with a cancelled context: %v", err)
	}
	if got := readSamples(t, s, 1, metric.MinTime, metric.MaxTime); got != nil {
		t.Errorf("a commit that was refused wrote %v", got)
	}
}
