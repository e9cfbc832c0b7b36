package hub

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/internal/vectortest"
	"github.com/komstream/komstream/metric"
)

// loginCase is a login at the original hub. A nil field was not sent.
type loginCase struct {
	Name   string             `json:"name"`
	Form   map[string]*string `json:"form"`
	Status int                `json:"status"`
	Body   any                `json:"body"`
	Cookie bool               `json:"cookie"`
}

func (c loginCase) code() int {
	body, _ := c.Body.(map[string]any)
	code, _ := body["error"].(float64)
	return int(code)
}

// version returns the version of the protocol that the login asks for, 0 where it is none.
func (c loginCase) version() int {
	if c.Form["pv"] == nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(*c.Form["pv"]))
	return n
}

// loginRule is where this hub deliberately answers a login differently, and what the protocol says of it.
type loginRule struct {
	reason  string
	applies func(c loginCase, status, code int) bool
}

var loginRules = []loginRule{
	{"§2.2: a pv other than 1 gets no notifications at the original: refuse it",
		func(c loginCase, status, code int) bool {
			return c.version() > 1 && c.Status == 200 && status == 400 && (code == 105202 || code == 105304)
		}},
	{"§2.3: an unusable key is the agent's fault: 400 with the same number",
		func(c loginCase, status, code int) bool {
			return c.Status == 500 && status == 400 && code == c.code()
		}},
	{"§3: parsed keys are compared, not their texts",
		func(c loginCase, status, code int) bool {
			return c.code() == 3703 && status == 200 || c.Status == 500 && status == 200
		}},
	{"§2.3: a login without a key gets an error number",
		func(c loginCase, status, code int) bool {
			return c.Form["k"] == nil && status == 400 && code == 105000
		}},
}

// start starts a hub in memory whose clock of logins is now.
func start(t testing.TB, c Config) *Hub {
	t.Helper()
	c.MemoryStore = true
	h, err := Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestGoldenLogins(t *testing.T) {
	var file struct {
		Key  string      `json:"public_key_openssh"`
		HTTP []loginCase `json:"http"`
	}
	if err := json.Unmarshal(vectortest.Text(t, "login.json"), &file); err != nil {
		t.Fatal(err)
	}
	key, err := connection.ParsePublicKey(file.Key)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, Config{})
	agents := loginAgents(t, h, key, file.HTTP)
	used := make([]int, len(loginRules))
	passed := 0
	for _, c := range file.HTTP {
		if t.Run(c.Name, func(t *testing.T) {
			prepareLogin(t, h, agents[c.user()], c)
			runLogin(t, h, c, used)
		}) {
			passed++
		}
	}
	for i, n := range used {
		if n == 0 && vectortest.Own() {
			t.Errorf("the rule excuses nothing: %s", loginRules[i].reason)
		}
		t.Logf("rule %q: %d", loginRules[i].reason, n)
	}
	t.Logf("%d of %d logins", passed, len(file.HTTP))
}

// user returns the account that a login is for, "" where it names none.
func (c loginCase) user() string {
	if c.Form["u"] == nil {
		return ""
	}
	name, _ := metric.ParseUsername(strings.TrimSpace(*c.Form["u"]))
	return name
}

// loginAgents makes the accounts that the answers tell of, and those of their agents that are known to the hub.
func loginAgents(t *testing.T, h *Hub, key connection.PublicKey, cases []loginCase) map[string]AgentID {
	t.Helper()
	agents := map[string]AgentID{}
	known := map[string]bool{}
	for _, c := range cases {
		user := c.user()
		hasAgent := c.Status == http.StatusOK || slices.Contains([]int{3706, 3806, 3807, 3808, 3810, 3811}, c.code())
		if hasUser := hasAgent || c.code() == 3703 || c.code() == 3805; user == "" || !hasUser {
			continue
		}
		if !known[user] {
			known[user] = true
			if err := h.AddUser(context.Background(), user); err != nil {
				t.Fatal(err)
			}
		}
		if hasAgent && agents[user] == "" {
			id, err := h.AddAgent(context.Background(), user, key)
			if err != nil {
				t.Fatal(err)
			}
			agents[user] = id
		}
	}
	return agents
}

// prepareLogin brings the hub into the state that the answer tells of: the agent suspended or not, the challenge
// fresh, used, old or not issued at all.
func prepareLogin(t *testing.T, h *Hub, id AgentID, c loginCase) {
	t.Helper()
	if id == "" {
		return
	}
	change := h.ActivateAgent
	if c.code() == 3706 || c.code() == 3811 {
		change = h.SuspendAgent
	}
	if err := change(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	if c.Form["c"] == nil {
		return
	}
	k := challengeKey{agent: id}
	if hash, ok := decodeBase64(*c.Form["c"]); !ok || copy(k.hash[:], hash) < len(k.hash) {
		return
	}
	h.challenges.mu.Lock()
	delete(h.challenges.byHash, k)
	h.challenges.mu.Unlock()
	issued := h.config.now()
	switch c.code() {
	case challengeUnknown:
		return
	case challengeOld:
		issued = issued.Add(-challengeLife - time.Second)
	}
	h.challenges.put(k, h.directory.agents[id], "elsewhere", []byte("x"), issued)
	if c.code() == challengeUsed {
		h.challenges.use(k, issued)
	}
}

func runLogin(t *testing.T, h *Hub, c loginCase, used []int) {
	form := url.Values{}
	for name, value := range c.Form {
		if value != nil {
			form.Set(name, *value)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/login", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.Agents().ServeHTTP(w, r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("body %q: %v", w.Body, err)
	}
	if got, want := w.Header().Get("Content-Type"), `application/json; charset="utf-8"`; got != want {
		t.Errorf("Content-Type %q, want %q", got, want)
	}
	cookies := w.Result().Cookies()
	if w.Code != http.StatusOK && len(cookies) > 0 {
		t.Error("a refused login set a cookie")
	}
	code, _ := body["error"].(float64)
	want, _ := c.Body.(map[string]any)
	_, challenged := body["challenge"]
	_, wantChallenge := want["challenge"]
	if w.Code == c.Status && int(code) == c.code() && challenged == wantChallenge && (len(cookies) > 0) == c.Cookie {
		if c.Cookie {
			checkCookie(t, cookies[0])
		}
		return
	}
	for i, rule := range loginRules {
		if rule.applies(c, w.Code, int(code)) {
			used[i]++
			return
		}
	}
	t.Errorf("answered %d %s, cookies %v, want %d %v, cookie %v", w.Code, w.Body, cookies, c.Status, c.Body, c.Cookie)
}

func checkCookie(t *testing.T, c *http.Cookie) {
	t.Helper()
	if c.Name != "kid" || len(c.Value) < 64 || c.Path != "/" || !c.HttpOnly || c.Secure || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	if left := time.Until(c.Expires); left < 5*24*time.Hour || left > 6*24*time.Hour+time.Minute {
		t.Errorf("the cookie lives for %v, want 6 days", left)
	}
}

func postLogin(h *Hub, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/login/", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.Agents().ServeHTTP(w, r)
	return w
}

func TestLoginFormIsBounded(t *testing.T) {
	h := start(t, Config{})
	w := postLogin(h, "application/x-www-form-urlencoded", []byte("k="+strings.Repeat("a", loginLimit)))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a form over the limit: %d %s, want 400", w.Code, w.Body)
	}
	r := httptest.NewRequest(http.MethodGet, "/login", nil)
	w = httptest.NewRecorder()
	if h.Agents().ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET /login: %d, want 405", w.Code)
	}
}

func TestMultipartLogin(t *testing.T) {
	h := start(t, Config{})
	body := "--b\r\nContent-Disposition: form-data; name=\"u\"\r\n\r\nnobody\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(testKey(t).Public().String())) + "\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"pv\"\r\n\r\n1\r\n--b--\r\n"
	w := postLogin(h, `multipart/form-data; boundary=b`, []byte(body))
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "3702") {
		t.Errorf("answered %d %s, want 403 with 3702", w.Code, w.Body)
	}
}

// testKey returns a key that tests share.
func testKey(t testing.TB) *connection.Key {
	t.Helper()
	text, err := os.ReadFile("hubtest/testdata/key0.pem")
	if err != nil {
		t.Fatal(err)
	}
	key, err := connection.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestChallengeRate asks from one address above the rate: an unused challenge is given again, and only to the same
// agent; other addresses are not touched.
func TestChallengeRate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	h := start(t, Config{LoginRate: 0.1, now: func() time.Time { return now }})
	ctx := context.Background()
	key := testKey(t).Public()
	var forms [][]byte
	for _, user := range []string{"alice", "bob"} {
		if err := h.AddUser(ctx, user); err != nil {
			t.Fatal(err)
		}
		if _, err := h.AddAgent(ctx, user, key); err != nil {
			t.Fatal(err)
		}
		form := url.Values{"u": {user}, "pv": {"1"}, "k": {base64.StdEncoding.EncodeToString([]byte(key.String()))}}
		forms = append(forms, []byte(form.Encode()))
	}
	const kind = "application/x-www-form-urlencoded"
	first := postLogin(h, kind, forms[0])
	again := postLogin(h, kind, forms[0])
	if first.Code != 200 || again.Code != 200 || first.Body.String() != again.Body.String() {
		t.Errorf("above the rate: %d %d, the same challenge: %v", first.Code, again.Code, first.Body.String() == again.Body.String())
	}
	if w := postLogin(h, kind, forms[1]); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("another agent above the rate: %d, want 429 and when to try again", w.Code)
	}
	now = now.Add(time.Minute)
	if w := postLogin(h, kind, forms[1]); w.Code != 200 || w.Body.String() == first.Body.String() {
		t.Errorf("a minute later: %d, or a challenge of another agent", w.Code)
	}
}

func TestChallengesAreBoundedByAddress(t *testing.T) {
	c := newChallenges(1, 1)
	a, now := &agent{id: "a"}, time.Unix(1_700_000_000, 0)
	put := func(n int, from string) challengeKey {
		k := challengeKey{agent: a.id}
		copy(k.hash[:], from)
		k.hash[30], k.hash[31] = byte(n>>8), byte(n)
		c.put(k, a, from, nil, now)
		return k
	}
	mine := put(0, "me")
	oldest := put(0, "stranger")
	for i := range 2 * challengesPerAddress {
		put(i+1, "stranger")
	}
	if c.check(mine, now) != 0 || c.check(oldest, now) != challengeUnknown || len(c.byHash) != challengesPerAddress+1 {
		t.Errorf("mine %d, the stranger's oldest %d, kept %d", c.check(mine, now), c.check(oldest, now), len(c.byHash))
	}
	if c.sweep(now.Add(time.Hour)); len(c.byHash)+len(c.addresses) != 0 {
		t.Errorf("%d challenges of %d addresses are kept for ever", len(c.byHash), len(c.addresses))
	}
}

func FuzzReadLogin(f *testing.F) {
	f.Add("u=alice&k=abc&pv=1")
	f.Add("u=alice&k=YWJj&pv=1&c=eA==&s=eA=")
	f.Add("k==&pv=%201%20&u=%00")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		form, refusal := readLogin(values)
		if (form == nil) == (refusal == nil) {
			t.Fatalf("form %v, refusal %v: exactly one must be there", form, refusal)
		}
		if refusal != nil && (refusal.status != 400 || refusal.code < 105000) {
			t.Fatalf("refusal %+v", refusal)
		}
	})
}

// TestNothingSecretIsLogged logs in, well and badly, and looks into the log.
func TestNothingSecretIsLogged(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	h := start(t, Config{Logger: zap.New(core)})
	ctx := context.Background()
	key := testKey(t)
	if err := h.AddUser(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddAgent(ctx, "alice", key.Public()); err != nil {
		t.Fatal(err)
	}
	const kind = "application/x-www-form-urlencoded"
	k := base64.StdEncoding.EncodeToString([]byte(key.Public().String()))
	form := url.Values{"u": {"alice"}, "pv": {"1"}, "k": {k}}
	var step1 struct{ Challenge []byte }
	if err := json.Unmarshal(postLogin(h, kind, []byte(form.Encode())).Body.Bytes(), &step1); err != nil {
		t.Fatal(err)
	}
	plaintext, err := key.Decrypt(step1.Challenge)
	if err != nil {
		t.Fatal(err)
	}
	hash := connection.ChallengeHash(plaintext)
	signature, err := key.Sign(hash)
	if err != nil {
		t.Fatal(err)
	}
	form.Set("c", base64.StdEncoding.EncodeToString(hash[:]))
	form.Set("s", "AAAA")
	if w := postLogin(h, kind, []byte(form.Encode())); w.Code != http.StatusForbidden || logs.Len() > 0 {
		t.Errorf("a wrong signature: %d, logged %v, want 403 and nothing", w.Code, logs.All())
	}
	form.Set("s", base64.StdEncoding.EncodeToString(signature))
	w := postLogin(h, kind, []byte(form.Encode()))
	cookies := w.Result().Cookies()
	if w.Code != http.StatusOK || len(cookies) != 1 || logs.Len() == 0 {
		t.Fatalf("login: %d %s, logged %d", w.Code, w.Body, logs.Len())
	}
	for _, line := range logs.All() {
		text := fmt.Sprint(line.Message, line.ContextMap())
		for _, secret := range []string{cookies[0].Value, k, form.Get("c"), form.Get("s")} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds a secret: %s", text)
			}
		}
	}
}
