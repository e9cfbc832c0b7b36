package komstream_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// The tests of this file hold docs/protocol.md to the code: the frames that it shows are those that the wire package
// writes, and it names every error number that the hub's sources know.

// shown returns the frames that the document shows, by the name behind the fence of their block.
func shown() map[string][]byte {
	id := func(text string) metric.TimeUUID {
		t, err := metric.ParseTimeUUID(text)
		if err != nil {
			panic(err) // a constant below
		}
		return t
	}
	ask := wire.SeqOf(id("b2a4e6c01d5811f1a3c1d70f52b8e904"))
	reply := wire.SeqOf(id("b2a5d1201d5811f19b440c9a6be1f377"))
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) metric.TimeUUID {
		return metric.NewTimeUUID(metric.TicksOf(noon.Add(time.Duration(minutes)*time.Minute)), metric.PlainLow)
	}
	cpu, df := metric.Datapoint("cpu.user", noon, "14.63"), metric.Datasource("host.df", noon, "sda 71%\n")
	items := func(samples ...metric.Sample) (all []wire.RequestItem) {
		for _, s := range samples {
			all = append(all, wire.RequestItem{URI: s.URI, Kind: s.Kind(), Value: s.Value})
		}
		return all
	}
	batch := wire.BeginBatch(nil, ask, wire.Seq{}, nil)
	batch.Send(at(0), []metric.Sample{cpu, df})
	batch.Send(at(1), []metric.Sample{cpu})
	listing := wire.BeginList(nil, wire.ActionListURIs, reply, ask, 1<<20)
	listing.Entry(&wire.Entry{URI: "cpu.user", Kind: metric.KindDatapoint, Last: at(0), Value: cpu.Value})
	listing.Entry(&wire.Entry{URI: "host.df", Kind: metric.KindDatasource, Last: at(0), Supplies: []metric.URI{"sda"}})
	shares := wire.BeginList(nil, wire.ActionListShares, reply, ask, 1<<20)
	shares.Share(wire.Share{URI: "alice:cpu", User: "friend"})
	log := wire.BeginList(nil, wire.ActionSince, reply, ask, 1<<20)
	log.Message(&wire.Logged{Pos: 41, At: at(1), Seq: ask, Time: at(0), Items: items(cpu)}, "")
	missed := wire.BeginList(nil, wire.ActionMissedData, reply, wire.Seq{}, 1<<20)
	missed.Missed(&wire.Missed{URI: "friend:cpu.user", First: at(-60), Last: at(0), From: 17, To: 41, Count: 20})
	older := metric.Datapoint("cpu.user", noon.Add(-time.Minute), "12")
	return map[string][]byte{
		"send_dp_data":    wire.AppendSendOne(nil, ask, wire.Seq{}, nil, &cpu),
		"send_ds_data":    wire.AppendSendOne(nil, ask, wire.Seq{}, nil, &df),
		"send_multi_data": wire.AppendSendMulti(nil, ask, wire.Seq{}, nil, cpu.Time, []metric.Sample{cpu, df}),
		"send_ds_info":    wire.AppendInfo(nil, ask, "host.df", []metric.URI{"sda", "sdb.used"}),
		"hook_to_uri":     wire.AppendHook(nil, ask, "friend:cpu.user"),
		"unhook_from_uri": wire.AppendUnhook(nil, ask, "friend:cpu.user"),
		"request_data":    wire.AppendRequest(nil, ask, "cpu.user", at(-60), at(0), 2),
		"executed":        wire.AppendResponse(nil, reply, ask, wire.Response{Status: wire.StatusExecuted}),
		"refused": wire.AppendResponse(nil, reply, ask, wire.Response{Status: wire.StatusDenied, Code: 201202,
			Reason: "Cannot modify other user's uris"}),
		"unreadable": wire.AppendRefusal(nil, reply, &wire.Refusal{Status: wire.StatusProtocol, Code: wire.CodeMalformed,
			V: "0", Reason: "Malformed message: message [] must be an object"}),
		"notification": wire.AppendNotification(nil, reply, cpu.Time, nil, 0, "", items(df, cpu)),
		"notification of another's": wire.AppendNotification(nil, reply, cpu.Time, nil, 0, "friend",
			items(cpu)),
		"send_data_interval": wire.AppendInterval(nil, reply, ask, "cpu.user", metric.KindDatapoint, at(-60), at(0),
			[]metric.Sample{cpu, older}),

		"send_batch":       batch.End(),
		"list_uris":        wire.AppendList(nil, ask, "", "", 100),
		"list_uris page":   listing.EndMore(true),
		"share":            wire.AppendShare(nil, wire.ActionShare, ask, "cpu", "friend"),
		"unshare":          wire.AppendShare(nil, wire.ActionUnshare, ask, "cpu", "friend"),
		"list_shares":      wire.AppendListShares(nil, ask, wire.Share{}, 0),
		"list_shares page": shares.EndMore(false),
		"since":            wire.AppendSince(nil, ask, "", 40, 0),
		"since page":       log.EndLog(41, true, false),
		"missed_data":      missed.End(),
		"delete_uri":       wire.AppendDelete(nil, ask, "cpu.user", metric.KindDatapoint),
	}
}

var frameBlock = regexp.MustCompile("(?ms)^```json ([^\n]+)\n(.*?)^```$")

// TestProtocolShowsRealFrames compares the frames of the document with what the wire package writes. A line break
// inside a frame stands for the blank between two members.
func TestProtocolShowsRealFrames(t *testing.T) {
	frames := shown()
	for _, block := range frameBlock.FindAllStringSubmatch(protocol(t), -1) {
		frame, known := frames[block[1]]
		if !known {
			t.Errorf("the block %q is made by no test", block[1])
			continue
		}
		delete(frames, block[1])
		lines := strings.Split(strings.TrimSpace(block[2]), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		if got := strings.Join(lines, " "); got != string(frame) {
			t.Errorf("%s\nshown %s\nreal  %s", block[1], got, frame)
		}
	}
	for name, frame := range frames {
		t.Errorf("docs/protocol.md does not show %q:\n%s", name, frame)
	}
}

func protocol(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// errorNumber reports whether a number in the sources is an error number of the protocol.
func errorNumber(n int) bool {
	for _, r := range [][2]int{{3701, 3899}, {51000, 52999}, {105000, 105399}, {200000, 203999}, {350000, 350999}} {
		if r[0] <= n && n <= r[1] {
			return true
		}
	}
	return n == 800 || n == 6003
}

// TestProtocolNamesEveryErrorNumber looks for the error numbers of the hub's and the wire's sources in the document.
func TestProtocolNamesEveryErrorNumber(t *testing.T) {
	numbers := map[int]string{}
	for _, pattern := range []string{"hub/*.go", "internal/wire/*.go"} {
		files, err := filepath.Glob(filepath.FromSlash(pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no sources: %v", pattern, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				collectNumbers(t, file, numbers)
			}
		}
	}
	text := protocol(t)
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		if !regexp.MustCompile(fmt.Sprintf(`\b%d\b`, n)).MatchString(text) {
			t.Errorf("%s: error %d is not in docs/protocol.md", numbers[n], n)
		}
	}
	t.Logf("%d error numbers", len(numbers))
}

func collectNumbers(t *testing.T, file string, numbers map[int]string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.INT {
			if value, err := strconv.Atoi(literal.Value); err == nil && errorNumber(value) {
				numbers[value] = set.Position(literal.Pos()).String()
			}
		}
		return true
	})
}
