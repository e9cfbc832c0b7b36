package examples

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// limit is for one example on a busy machine, whose keys alone may take ten seconds.
const limit = time.Minute

// printed is what each example must print: patterns of whole lines, in this order, others between them.
var printed = map[string][]string{
	"send-datasource": {
		`sent 110 bytes to host1\.disk\.usage`,
		`the hub has 3 lines of host1\.disk\.usage, the last one is`,
		`/dev/sdb1 .* 64%`,
		`not sent: .*sample 0 .* uri "host1\.\.disk" must be .*`,
	},
	"send-datapoints": {
		`the hub has acknowledged 604 samples and refused 0`,
		`the last hour of host1\.temperature, ends included, holds 61 samples`,
		`the price is 0\.30, as a float64 0\.3`,
	},
	"hello": {
		`  hello, datasource note: now all shut`,
		`  hello, datapoint window\.kitchen: now 1`,
		`  hello, datapoint door: now 1`,
		`3 messages made the impulse run 3 times`,
	},
	"summary": {
		`host1\.cpu\.user\.last_60min_stats`, `count +120\.000000`, `mean +40\.651856`, `25% +25\.451792`, `max +99\.500000`,
		`host1\.cpu\.system\.last_60min_stats`, `count +120\.000000`, `max +11\.999693`,
	},
	"stacked": {
		`cpu +17\.0, with 0 of 3 values from before`,
		`cpu +54\.5, with 2 of 3 values from before`,
		`cpu\.total 54\.5, host1\.cpu\.iowait\.stacked 54\.5, memory\.total 7300`,
	},
	"remote": {
		`bob:host1\.cpu\.user is 60 now, the mean of 4 values is 30`,
		`bob:host1\.secret: refused true, because: .* 4430/.*`,
		`not sent: .*"bob:host1\.cpu\.user" must be a metric of the session's own user, alice`,
	},
	"mixed": {
		`cpu +is 10 now: the other one has no value yet`,
		`bob:cpu +is 20 now: I am at 10, Bob is at 20`,
		`cpu +is 30 now: I am at 30, Bob is at 20`,
		`bob:cpu +is 40 now: I am at 30, Bob is at 40`,
	},
	"backend": {
		`POST /readings/boiler\.pressure\?at=2026-11-24T10:00:00Z 1\.20: 202 Accepted *`,
		`the clerk has heard of boiler\.pressure 1\.31`,
		`POST .* high: 400 Bad Request .*`,
		`GET /readings/boiler\.pressure : 200 OK 1\.31 1\.25 1\.20`,
		`GET /readings/boiler\.colour : 404 Not Found .*`,
		`GET /status : 200 OK live, 3 samples acknowledged, 0 waiting`,
	},
	"compose": {
		`oven\.smooth 228\.33333333333334`,
		`oven\.alert  228\.3 is over 220`,
		`oven\.raw    180`,
		`smooth was triggered 6 times and skipped 1 of them`,
		`alert  was triggered 5 times and skipped 0 of them`,
		`cool   was triggered 1 times and skipped 0 of them`,
	},
}

func TestExamplesRunToTheirEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a dozen keys of 4096 bits")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./...")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	programs, err := os.ReadDir(bin)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != len(printed) {
		t.Errorf("there are %d examples, and this test knows what %d of them print", len(programs), len(printed))
	}
	two := make(chan struct{}, 2)
	for _, program := range programs {
		name := strings.TrimSuffix(program.Name(), ".exe")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			two <- struct{}{}
			defer func() { <-two }()
			check(t, run(t, filepath.Join(bin, program.Name())), printed[name])
		})
	}
}

// run runs a program in a folder of its own and returns what it printed. It must say nothing else and leave nothing.
func run(t *testing.T, program string) string {
	t.Helper()
	work, temporary := t.TempDir(), t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir, cmd.Stdout, cmd.Stderr = work, &out, &complaints
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "TMP="+temporary)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("ended after %v: %v\n%s%s", time.Since(start), err, &out, &complaints)
	}
	t.Logf("took %v", time.Since(start).Round(time.Millisecond))
	if complaints.Len() > 0 {
		t.Errorf("wrote to standard error: %s", &complaints)
	}
	for _, dir := range []string{work, temporary} {
		left, err := os.ReadDir(dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	return out.String()
}

func check(t *testing.T, out string, patterns []string) {
	t.Helper()
	if len(patterns) == 0 {
		t.Errorf("this test does not know what it has to print; it printed\n%s", out)
	}
	lines := strings.Split(out, "\n")
	at := 0
	for _, pattern := range patterns {
		line := regexp.MustCompile("^(?:" + pattern + ")$")
		for at < len(lines) && !line.MatchString(lines[at]) {
			at++
		}
		if at == len(lines) {
			t.Fatalf("no line, or none in its place, is %q:\n%s", pattern, out)
		}
		at++
	}
}

func TestReadmeNamesEveryExample(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range printed {
		if !bytes.Contains(text, []byte("["+name+"]("+name+"/main.go)")) {
			t.Errorf("README.md does not list %s", name)
		}
	}
}
