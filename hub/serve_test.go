package hub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// certificate writes a certificate for 127.0.0.1 and its key to files, and returns what trusts it.
func certificate(t *testing.T, serial int64, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "hub"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	check(t, os.WriteFile(certFile, cert, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// TestTLS logs in and writes over TLS, and by plain HTTP on another address of the same hub; then the certificate is
// replaced under the running hub.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := dir+"/cert.pem", dir+"/key.pem"
	pool := certificate(t, 1, cert, key)
	h := start(t, Config{Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{"127.0.0.1:0"}, CertFile: cert, KeyFile: key})
	ctx := context.Background()
	agent := testKey(t)
	check(t, h.AddUser(ctx, "alice"))
	_, err := h.AddAgent(ctx, "alice", agent.Public())
	check(t, err)
	addrs := h.Addrs()
	if len(addrs) != 2 || h.URL() != "http://"+addrs[0].String() {
		t.Fatalf("addresses %v, URL %s", addrs, h.URL())
	}
	for _, url := range []string{"http://" + addrs[0].String(), "https://" + addrs[1].String()} {
		config := &tls.Config{RootCAs: pool}
		_, err := connection.Login(ctx, connection.LoginConfig{URL: url + "/login", Username: "alice", Key: agent, TLS: config})
		check(t, err)
		cookie, err := h.CookieOf("alice") // that of a login cannot be looked at
		check(t, err)
		d := websocket.Dialer{TLSClientConfig: config}
		ws, _, err := d.Dial("ws"+strings.TrimPrefix(url, "http")+"/", http.Header{"Cookie": {"kid=" + cookie}})
		check(t, err)
		seqs := wire.NewSeqSource(nil)
		for i := range 50 {
			s := metric.Datasource("t", time.Unix(int64(i), 0), strings.Repeat("x", 1000*i))
			check(t, ws.WriteMessage(websocket.TextMessage, wire.AppendSendOne(nil, seqs.Next(), wire.Seq{}, nil, &s)))
		}
		for range 50 {
			_, text, err := ws.ReadMessage()
			check(t, err)
			if !strings.Contains(string(text), "4200") {
				t.Fatalf("answer %s", text)
			}
		}
		_ = ws.Close()
	}

	certificate(t, 2, cert, key)
	pair, _ := h.certified.config.GetCertificate(nil)
	reload := func() *x509.Certificate {
		p := &keyPair{cert: cert, key: key, log: zap.NewNop(), pair: pair}
		got, err := p.certificate(nil)
		check(t, err)
		leaf, err := x509.ParseCertificate(got.Certificate[0])
		check(t, err)
		return leaf
	}
	if leaf := reload(); leaf.SerialNumber.Int64() != 2 {
		t.Errorf("a new certificate is not used: serial %v", leaf.SerialNumber)
	}
	check(t, os.WriteFile(cert, []byte("half of"), 0o600))
	if leaf := reload(); leaf.SerialNumber.Int64() != 1 {
		t.Errorf("half a certificate ended the use of the old one: serial %v", leaf.SerialNumber)
	}
}

func TestServingConfigIsChecked(t *testing.T) {
	dir := t.TempDir()
	certificate(t, 1, dir+"/cert", dir+"/key")
	listen := []string{"127.0.0.1:0"}
	for name, c := range map[string]Config{
		"TLS without a certificate": {ListenTLS: listen},
		"certificate without TLS":   {CertFile: dir + "/cert", KeyFile: dir + "/key"},
		"no key":                    {ListenTLS: listen, CertFile: dir + "/cert"},
		"no such file":              {ListenTLS: listen, CertFile: dir + "/none", KeyFile: dir + "/key"},
		"two sorts":                 {ListenTLS: listen, CertFile: dir + "/cert", KeyFile: dir + "/key", ACMEHosts: []string{"x"}},
		"ACME without a directory":  {ListenTLS: listen, ACMEHosts: []string{"hub.example.org"}},
		"proxy":                     {TrustedProxies: []string{"proxy.example.org"}},
		"cookie domain":             {CookieDomain: "127.0.0.1"},
		"cookie domain, a URL":      {CookieDomain: "https://example.org"},
		"rate":                      {UserLoginRate: -1},
	} {
		c.MemoryStore = true
		if h, err := Start(context.Background(), c); err == nil {
			t.Errorf("%s: started", name)
			_ = h.Close()
		} else if !strings.HasPrefix(err.Error(), "hub: ") {
			t.Errorf("%s: error %q does not begin with the package", name, err)
		}
	}
}

// TestACME has no authority to ask: the hub starts, answers the authority's question on the plain address, and agents
// there as ever.
func TestACME(t *testing.T) {
	h, err := Start(context.Background(), Config{
		Dir: t.TempDir(), Listen: []string{"127.0.0.1:0"}, ListenTLS: []string{"127.0.0.1:0"},
		ACMEHosts: []string{"hub.example.org"}, ACMEURL: "http://127.0.0.1:1/directory",
	})
	check(t, err)
	defer h.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]int{"/.well-known/acme-challenge/x": http.StatusForbidden, "/": http.StatusUpgradeRequired} {
		r, err := client.Get("http://" + h.Addrs()[0].String() + path)
		check(t, err)
		_ = r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, r.StatusCode, want)
		}
	}
	if _, err := tls.Dial("tcp", h.Addrs()[1].String(), &tls.Config{ServerName: "evil.example.org"}); err == nil {
		t.Error("a name that is not ours was served")
	}
}

func TestWhoAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		proxies []string
		remote  string
		header  []string // X-Forwarded-For
		want    string
	}{
		"direct":                {nil, "192.0.2.1:5", nil, "192.0.2.1"},
		"a stranger's claim":    {[]string{"10.0.0.0/8"}, "192.0.2.1:5", []string{"198.51.100.1"}, "192.0.2.1"},
		"through a proxy":       {[]string{"10.0.0.0/8"}, "10.1.2.3:5", []string{"192.0.2.7"}, "192.0.2.7"},
		"forged before a proxy": {[]string{"10.0.0.0/8"}, "10.1.2.3:5", []string{"198.51.100.1, 192.0.2.7"}, "192.0.2.7"},
		"two proxies":           {[]string{"10.0.0.0/8", "203.0.113.9"}, "10.1.2.3:5", []string{"192.0.2.7", "203.0.113.9"}, "192.0.2.7"},
		"proxies all the way":   {[]string{"10.0.0.0/8"}, "10.1.2.3:5", []string{"10.0.0.1"}, "10.0.0.1"},
		"nonsense":              {[]string{"10.0.0.0/8"}, "10.1.2.3:5", []string{"192.0.2.7, unknown"}, "10.1.2.3"},
		"no list":               {[]string{"10.0.0.0/8"}, "10.1.2.3:5", nil, "10.1.2.3"},
		"IPv6 by its network":   {nil, "[2001:db8:1:2:3::4]:5", nil, "2001:db8:1:2::/64"},
		"IPv4 in IPv6":          {[]string{"10.0.0.0/8"}, "[::ffff:10.1.2.3]:5", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
	} {
		c, err := newClients(Config{TrustedProxies: tt.proxies})
		check(t, err)
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		r.RemoteAddr = tt.remote
		r.Header["X-Forwarded-For"] = tt.header
		if got := c.address(r); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestCookieAttributes(t *testing.T) {
	for name, tt := range map[string]struct {
		config     Config
		host       string
		tls        bool
		proto      string // X-Forwarded-Proto, from 10.0.0.1
		wantSecure bool
		wantDomain string
	}{
		"plain http":                 {Config{}, "hub.example.org", false, "", false, ""},
		"plain http, with a domain":  {Config{CookieDomain: "example.org"}, "hub.example.org", false, "", false, ""},
		"TLS":                        {Config{}, "hub.example.org", true, "", true, ""},
		"TLS, with a domain":         {Config{CookieDomain: ".Example.org"}, "hub.example.org:443", true, "", true, "example.org"},
		"TLS, the domain itself":     {Config{CookieDomain: "example.org"}, "example.org", true, "", true, "example.org"},
		"TLS, another name":          {Config{CookieDomain: "example.org"}, "evilexample.org", true, "", true, ""},
		"TLS, an address":            {Config{CookieDomain: "example.org"}, "127.0.0.1:8443", true, "", true, ""},
		"TLS, an address of IPv6":    {Config{CookieDomain: "example.org"}, "[::1]:8443", true, "", true, ""},
		"a stranger's claim":         {Config{}, "hub.example.org", false, "https", false, ""},
		"a proxy's word":             {Config{TrustedProxies: []string{"10.0.0.1"}}, "hub.example.org", false, "https", true, ""},
		"a proxy's word, plain":      {Config{TrustedProxies: []string{"10.0.0.1"}}, "hub.example.org", false, "http", false, ""},
		"public URL":                 {Config{PublicURL: "https://hub.example.org", CookieDomain: "example.org"}, "inner", false, "", true, "example.org"},
		"public URL, plain, by TLS":  {Config{PublicURL: "http://hub.example.org"}, "inner", true, "", false, ""},
		"public URL, and the header": {Config{PublicURL: "http://hub.example.org", TrustedProxies: []string{"10.0.0.1"}}, "x", false, "https", false, ""},
	} {
		c, err := newClients(tt.config)
		check(t, err)
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		r.RemoteAddr, r.Host = "10.0.0.1:1", tt.host
		if tt.tls {
			r = r.WithContext(context.WithValue(r.Context(), secureKey{}, true))
		}
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if secure, domain := c.cookieFor(r); secure != tt.wantSecure || domain != tt.wantDomain {
			t.Errorf("%s: Secure %v, Domain %q, want %v and %q", name, secure, domain, tt.wantSecure, tt.wantDomain)
		}
	}
}

func TestRequestID(t *testing.T) {
	c, err := newClients(Config{TrustedProxies: []string{"10.0.0.1"}})
	check(t, err)
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	r.Header.Set(requestIDHeader, "abc-1")
	r.RemoteAddr = "192.0.2.1:1"
	if id := c.requestID(r); id == "abc-1" || len(id) != 16 {
		t.Errorf("a stranger's request is named %q", id)
	}
	r.RemoteAddr = "10.0.0.1:1"
	if id := c.requestID(r); id != "abc-1" {
		t.Errorf("a proxy's request is named %q, want as it said", id)
	}
	r.Header.Set(requestIDHeader, "abc\n1")
	if id := c.requestID(r); len(id) != 16 {
		t.Errorf("a bad name was taken: %q", id)
	}
}

// get asks one of the operators' handlers.
func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	body, _ := io.ReadAll(w.Body)
	return w.Code, string(body)
}

func TestOps(t *testing.T) {
	h := start(t, Config{})
	ops := h.Ops()
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := get(ops, path); code != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	h.measured.frame(wire.ActionSendDpData, 4200)
	h.measured.frame(wire.ActionSendDpData, 4200)
	h.measured.frame(0, 4400)
	h.measured.frame(wire.ActionHookToURI, 9999)
	h.measured.login(http.StatusForbidden)
	check(t, h.AddUser(context.Background(), "alice"))
	code, body := get(ops, "/metrics")
	for _, want := range []string{
		`komstream_hub_frames_total{action="send_dp_data",status="4200"} 2`,
		`komstream_hub_frames_total{action="none",status="4400"} 1`,
		`komstream_hub_frames_total{action="hook_to_uri",status="0"} 1`,
		`komstream_hub_logins_total{status="403"} 1`, "komstream_hub_users 1", "komstream_hub_sockets 0", "komstream_hub_sessions 0",
		"komstream_hub_store_commit_seconds_bucket", "komstream_hub_fanout_queue_bytes 0", "komstream_hub_store_writable 1",
		`komstream_hub_notifications_dropped_total{reason="log_trimmed"} 0`, "go_goroutines", "process_open_fds",
	} {
		if code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d without %s", code, want)
		}
	}
	if strings.Contains(body, "alice") {
		t.Error("the figures name a user")
	}
	if code, _ := get(h.Agents(), "/metrics"); code != http.StatusNotFound {
		t.Errorf("the agents' handler serves /metrics: %d", code)
	}
	if code, body := get(h.Profiles(), "/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("profiles: %d %.100s", code, body)
	}
	check(t, h.Close())
	if code, _ := get(ops, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("a closed hub is ready: %d", code)
	}
	if code, _ := get(ops, "/metrics"); code != http.StatusOK {
		t.Errorf("figures of a closed hub: %d", code)
	}
}

var errNever = errors.New("never")

// TestPanicsAreContained: an answer that panics costs its socket and nobody else.
func TestPanicsAreContained(t *testing.T) {
	h := start(t, Config{})
	check(t, h.AddUser(context.Background(), "alice"))
	u := h.directory.user("alice")
	for range 3 {
		h.committerOf(u).submit(panicking{})
	}
	if err := h.do(context.Background(), u, func(*group) error { return errNever }); !errors.Is(err, errNever) {
		t.Errorf("the committer's next job: %v", err)
	}
}

type panicking struct{}

func (panicking) execute(*group)       {}
func (panicking) finish(*group, error) { panic("a fault of ours") }
func (panicking) fail()                {}
