package admin

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// use goes once through all operations.
func use(t *testing.T, a *Accounts) {
	t.Helper()
	do := func(r Request) Reply {
		t.Helper()
		reply, err := a.Do(t.Context(), r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		return reply
	}
	do(Request{Op: AddUser, User: "alice"})
	do(Request{Op: AddUser, User: "bob"})
	if users := do(Request{Op: ListUsers}).Users; strings.Join(users, " ") != "alice bob" {
		t.Errorf("users %q", users)
	}
	key := hubtest.Key(0).Public()
	agent := do(Request{Op: AddAgent, User: "alice", Key: key.String()}).ID
	for _, active := range []bool{true, false, true} {
		agents := do(Request{Op: ListAgents, User: "alice"}).Agents
		if len(agents) != 1 || agents[0].ID != agent || agents[0].Active != active || agents[0].Fingerprint != key.Fingerprint() {
			t.Errorf("agents %+v, want %s, active %v", agents, agent, active)
		}
		op := SuspendAgent
		if !active {
			op = ActivateAgent
		}
		do(Request{Op: op, Agent: agent})
	}
	do(Request{Op: RemoveAgent, Agent: agent})
	if agents := do(Request{Op: ListAgents, User: "alice"}).Agents; len(agents) != 0 {
		t.Errorf("agents %+v, want none", agents)
	}
	share := Request{Op: AddShare, User: "alice", URI: "host", To: "bob"}
	do(share)
	for _, user := range []string{"alice", "bob"} {
		shares := do(Request{Op: ListShares, User: user}).Shares
		if len(shares) != 1 || shares[0] != (Share{Owner: "alice", URI: "host", To: "bob"}) {
			t.Errorf("shares of %s: %+v", user, shares)
		}
	}
	share.Op = RemoveShare
	do(share)
	useSettings(t, do)
	for _, r := range []Request{
		{Op: "dance"}, {Op: AddUser, User: "alice"}, {Op: AddUser, User: "a b"}, {Op: ListAgents, User: "carol"},
		{Op: AddAgent, User: "alice", Key: "ssh-rsa AAAA"}, {Op: RemoveAgent, Agent: agent}, share,
		{Op: DeleteMetrics, User: "alice", URI: "a"}, {Op: DeleteMetrics, User: "alice", URI: "a", Tree: true},
		{Op: SetPassword, User: "alice", Password: "short"}, {Op: UserUsage, User: "carol"},
		{Op: Backup, To: "relative"}, {Op: Backup, To: os.TempDir()},
	} {
		if _, err := a.Do(t.Context(), r); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

// useSettings goes once through the operations on what users have and may have.
func useSettings(t *testing.T, do func(Request) Reply) {
	t.Helper()
	retention := hub.Retention{Age: time.Hour, Count: 5}
	do(Request{Op: SetRetention, User: "alice", URI: "host", Retention: &retention})
	rules := do(Request{Op: ListRetention, User: "alice"}).Retention
	if len(rules) != 1 || rules[0] != (hub.RetentionRule{URI: "host", Retention: retention}) {
		t.Errorf("retention %+v", rules)
	}
	do(Request{Op: SetRetention, User: "alice", URI: "host"})
	if rules := do(Request{Op: ListRetention, User: "alice"}).Retention; len(rules) != 0 {
		t.Errorf("retention %+v, want none", rules)
	}
	quota := hub.Quota{Datapoints: 7}
	do(Request{Op: SetQuota, User: "alice", Quota: &quota})
	if got := do(Request{Op: ShowQuota, User: "alice"}).Quota; got == nil || *got != quota {
		t.Errorf("quota %+v", got)
	}
	do(Request{Op: SetQuota, User: "alice"})
	do(Request{Op: SetPassword, User: "alice", Password: "correct horse"})
	do(Request{Op: RevokeLogins, User: "alice"})
	if got := do(Request{Op: UserUsage, User: "alice"}).Usage; got == nil || *got != (Usage{}) {
		t.Errorf("usage %+v", got)
	}
	if got := do(Request{Op: ListMetrics, User: "alice"}).Metrics; len(got) != 0 {
		t.Errorf("metrics %+v", got)
	}
	do(Request{Op: Backup, To: filepath.Join(t.TempDir(), "backup")})
	if got := do(Request{Op: HubStats}).Stats; got == nil || got.Users != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestAccountsOfADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if a.Running() {
		t.Error("a hub runs")
	}
	use(t, a)
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "cannot be opened") {
		t.Errorf("opened twice: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestAccountsOfARunningHub(t *testing.T) {
	// The path of a socket must be short, and that of a test's directory may not be.
	dir, err := os.MkdirTemp("", "ks")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	h, err := hub.Start(context.Background(), hub.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	// One that an earlier process left behind.
	if err := os.WriteFile(SocketPath(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Serve(h, dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(SocketPath(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", info, err)
	}
	a, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !a.Running() {
		t.Error("no hub runs")
	}
	use(t, a)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(SocketPath(dir)); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestLongPathsAreRefused(t *testing.T) {
	dir := "/" + strings.Repeat("d", 120)
	if _, err := Serve(nil, dir); err == nil || !strings.Contains(err.Error(), "at most 103") {
		t.Errorf("error %v", err)
	}
}
