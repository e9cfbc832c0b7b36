package hub_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/hub/hubtest"
	"github.com/komstream/komstream/internal/wire"
	"github.com/komstream/komstream/metric"
)

// victim is a hub under attack, with two sessions that must not notice.
type victim struct {
	*hubtest.Hub
	writer, reader *client
	cookie         string // of the attacker, who has an account too
	second         int
}

func newVictim(t *testing.T) *victim {
	h := hubtest.Start(t, hub.Config{MemoryStore: true, Listen: []string{"127.0.0.1:0"}, HandshakeTimeout: 500 * time.Millisecond})
	v := &victim{Hub: h, writer: dial(t, h, "alice", ""), reader: dial(t, h, "alice", ""), cookie: enter(t, h, "mallory")}
	v.reader.hook(4404, "m")
	return v
}

// exchange sends a sample through the hub and returns how long it took.
func (v *victim) exchange(t *testing.T) time.Duration {
	t.Helper()
	started := time.Now()
	v.second++
	v.writer.send(4200, dp("m", v.second, v.second))
	if f := v.reader.next(); f.items()[0] != fmt.Sprint("m=", v.second) {
		t.Errorf("notification %v, want m=%d", f.items(), v.second)
	}
	return time.Since(started)
}

// heap returns the bytes in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// attack runs an attack while alice goes on, and checks what it costs.
func (v *victim) attack(t *testing.T, attack func(t *testing.T)) {
	t.Helper()
	v.attackWithin(t, 400<<20, attack)
}

// attackWithin is attack that may make the heap grow by so many bytes, with the garbage.
func (v *victim) attackWithin(t *testing.T, most uint64, attack func(t *testing.T)) {
	t.Helper()
	debug.FreeOSMemory()
	before, peak, slowest := heap(), uint64(0), time.Duration(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		attack(t)
	}()
	for over := false; !over || v.Stats().Sockets > 2; { // the attacker's sockets end a moment later
		select {
		case <-done:
			over = true
		default:
		}
		slowest = max(slowest, v.exchange(t))
		peak = max(peak, heap())
	}
	debug.FreeOSMemory()
	after := heap()
	t.Logf("heap before %d KiB, at most %d KiB, after %d KiB; slowest exchange of others %v",
		before>>10, peak>>10, after>>10, slowest)
	if peak > before+most {
		t.Errorf("the attack made the heap grow from %d to %d bytes", before, peak)
	}
	if after > before+16<<20 {
		t.Errorf("%d bytes are left of the attack", after-before)
	}
	if slowest > 5*time.Second {
		t.Errorf("an exchange of others took %v", slowest)
	}
}

// mallory opens a socket of the attacker's and returns what it wrote: "status/code" or "closed CODE".
func (v *victim) mallory(t *testing.T, frame []byte) string {
	t.Helper()
	ws, _, err := socket(t, v.Hub, v.cookie, nil)
	if err != nil {
		return err.Error()
	}
	defer ws.Close()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	_ = ws.WriteMessage(websocket.TextMessage, frame)
	_, text, err := ws.ReadMessage()
	if err != nil {
		return fmt.Sprint("closed ", closeCode(err))
	}
	if len(text) > 4096 {
		return fmt.Sprintf("an answer of %d bytes", len(text))
	}
	var status, code int
	_, payload, _ := strings.Cut(string(text), `"status": `)
	_, _ = fmt.Sscanf(payload, `%d, "error": %d`, &status, &code)
	return fmt.Sprint(status, "/", code)
}

func request(action, payload string) []byte {
	seq := wire.NewSeqSource(nil).Next()
	return fmt.Appendf(nil, `{"v":1,"action":%q,"seq":"%s","irt":null,"payload":%s}`, action, seq, payload)
}

func TestHostileFrames(t *testing.T) {
	v := newVictim(t)
	at := metric.MinTime.String()
	dpOf := func(content string) []byte {
		return request("send_dp_data", fmt.Sprintf(`{"uri":"x","t":"%s","content":%s}`, at, content))
	}
	uriOf := func(uri string) []byte {
		return request("send_dp_data", fmt.Sprintf(`{"uri":"%s","t":"%s","content":"1"}`, uri, at))
	}
	million := strings.Repeat("0,", 999_999) + "0"
	text := strings.Repeat("x", 10<<20-300)
	for name, tt := range map[string]struct {
		frame []byte
		want  string
	}{
		"a text of 10 MiB":        {request("send_ds_data", fmt.Sprintf(`{"uri":"x","t":"%s","content":"%s"}`, at, text)), "4400/202052"},
		"10 MiB and a byte":       {[]byte(strings.Repeat(" ", 10<<20+1)), "closed 1009"},
		"nested arrays":           {[]byte(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), ""},
		"nested objects":          {[]byte(strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)), ""},
		"nested payload":          {request("send_dp_data", strings.Repeat(`{"uri":`, 100_000)+"1"+strings.Repeat("}", 100_000)), ""},
		"nested and open":         {[]byte(strings.Repeat("[", 1_000_000)), "closed 1005"},
		"nested in what is extra": {request("send_dp_data", `{"uri":"x","t":"`+at+`","content":"1","more":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`), ""},
		"a million elements":      {[]byte("[" + million + "]"), "4400/350000"},
		"a million items":         {request("send_multi_data", fmt.Sprintf(`{"t":"%s","uris":[%s]}`, at, million)), "4400/202200"},
		"a million supplies":      {request("send_ds_info", fmt.Sprintf(`{"uri":"x","supplies":[%s]}`, million)), "4400/202151"},
		"a million keys":          {[]byte(`{"v":1` + strings.Repeat(`,"a":1`, 1_000_000) + `}`), "4400/350000"},
		"an endless exponent":     {dpOf(`"1e999999999"`), "4400/202102"},
		"the same as a number":    {dpOf(`1e999999999`), "4400/202102"},
		"a negative one":          {dpOf(`"1e-999999999"`), "4400/202102"},
		"an exponent of digits":   {dpOf(`"1e` + strings.Repeat("9", 1_000_000) + `"`), "4400/202102"},
		"a million digits":        {dpOf(`"` + strings.Repeat("9", 1_000_000) + `"`), "4400/202102"},
		"a million digits, bare":  {dpOf(strings.Repeat("9", 1_000_000)), "4400/202102"},
		"a count of digits": {request("request_data", fmt.Sprintf(`{"uri":"x","start":"%s","end":null,"count":%s}`, at,
			strings.Repeat("9", 1_000_000))), ""},
		"a version of digits":      {[]byte(`{"v":` + strings.Repeat("9", 1_000_000) + `}`), ""},
		"a name outside ASCII":     {uriOf("cpü"), "4400/202100"},
		"a name of other digits":   {uriOf("cpu١"), "4400/202100"},
		"a name with a NUL":        {uriOf(`cpu\u0000`), "4400/202100"},
		"a name with a surrogate":  {uriOf(`cpu\ud800`), "4400/202100"},
		"a name that is no UTF-8":  {uriOf("cpu\xff"), "closed 1007"},
		"a name with a line end":   {uriOf(`cpu\n`), "4400/202100"},
		"an owner outside ASCII":   {uriOf("älice:cpu"), "4400/202100"},
		"an owner of a million":    {uriOf(strings.Repeat("a", 1_000_000) + ":cpu"), ""},
		"a name of a million dots": {uriOf(strings.Repeat(".", 1_000_000)), "4400/202100"},
		"an action of a million":   {request(strings.Repeat("a", 1_000_000), "{}"), "4400/200000"},
		"a seq of a million": {[]byte(`{"v":1,"action":"hook_to_uri","seq":"` + strings.Repeat("0", 1_000_000) + `","irt":null,"payload":{}}`),
			"4400/350000"},
	} {
		t.Run(name, func(t *testing.T) {
			v.attack(t, func(t *testing.T) {
				var all sync.WaitGroup
				sockets := 4
				if testing.Short() {
					sockets = 1
				}
				for range sockets {
					all.Go(func() {
						got := v.mallory(t, tt.frame)
						refused := strings.HasPrefix(got, "44") || got == "4501/800" || got == "closed 1005" || got == "4200/0"
						if tt.want != "" && got != tt.want || tt.want == "" && !refused {
							t.Errorf("answered %s, want %s", got, tt.want)
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// TestManyLevels: names have no bound in the protocol, but each level of one is a node in memory.
func TestManyLevels(t *testing.T) {
	v := newVictim(t)
	v.attack(t, func(t *testing.T) {
		for levels, want := range map[int]string{2000: "4200/0", 2_000_000: "4430/51036"} {
			uri := strings.Repeat("a.", levels-1) + "a"
			if got := v.mallory(t, request("send_dp_data", fmt.Sprintf(`{"uri":"%s","t":"%s","content":"1"}`, uri, metric.MinTime))); got != want {
				t.Errorf("a metric of %d levels: %s, want %s", levels, got, want)
			}
			want = map[int]string{2000: "4200/0", 2_000_000: "4430/201401"}[levels]
			if got := v.mallory(t, request("hook_to_uri", fmt.Sprintf(`{"uri":"%s"}`, uri))); got != want {
				t.Errorf("a hook of %d levels: %s, want %s", levels, got, want)
			}
		}
	})
}

// rawSocket completes a handshake by hand, so that frames can be sent that no library makes.
func (v *victim) rawSocket(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", v.Addr().String())
	must(t, err)
	_, err = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\nCookie: kid=%s\r\n\r\n", v.Addr(), base64.StdEncoding.EncodeToString(make([]byte, 16)), v.cookie)
	must(t, err)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	if r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %d", r.StatusCode)
	}
	return c
}

// TestAnnouncedFrames announces frames of 2 GiB and more and sends little of them.
func TestAnnouncedFrames(t *testing.T) {
	v := newVictim(t)
	for _, size := range []uint64{10<<20 + 1, 2 << 30, 1 << 62, 1<<63 + 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			v.attack(t, func(t *testing.T) {
				for range 20 {
					c := v.rawSocket(t)
					head := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, size)
					_, _ = c.Write(append(head, make([]byte, 1024)...)) // the mask and some of it
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
					if _, err := io.Copy(io.Discard, c); err != nil {
						t.Errorf("the hub did not end the socket: %v", err)
					}
					_ = c.Close()
				}
			})
		})
	}
}

// TestUnfinishedFrames: many sockets that each hold most of a large frame back must not hold more than the budget.
func TestUnfinishedFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes hundreds of megabytes")
	}
	v := newVictim(t)
	v.attackWithin(t, 800<<20, func(t *testing.T) {
		var all sync.WaitGroup
		for range 40 { // of 9 MiB each: more than the budget of 256 MiB
			all.Go(func() {
				c := v.rawSocket(t)
				defer c.Close()
				head := binary.BigEndian.AppendUint64([]byte{0x81, 0x80 | 127}, 9<<20)
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				_, _ = c.Write(append(head, make([]byte, 4)...))
				part := make([]byte, 64<<10)
				for range 9<<20/len(part) - 1 {
					if _, err := c.Write(part); err != nil {
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// TestSlowHandshakes opens connections that never finish their head, and some that never finish a login's body.
func TestSlowHandshakes(t *testing.T) {
	v := newVictim(t)
	v.attack(t, func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				c, err := net.Dial("tcp", v.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, _ = io.WriteString(c, []string{
					"GET / HTTP/1.1\r\nHost: hub\r\nX-", "", "POST /login HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\nu=",
				}[i%3])
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.Copy(io.Discard, c); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // as it comes from the socket
						t.Error("a connection that says nothing is kept for ever")
					}
				}
			})
		}
		all.Wait()
	})
}

// TestFloodOfLogins: strangers, forged proofs and large forms from one address.
func TestFloodOfLogins(t *testing.T) {
	v := newVictim(t)
	key := base64.StdEncoding.EncodeToString([]byte(hubtest.Key(1).Public().String()))
	forms := []url.Values{
		{"u": {"nobody"}, "k": {key}, "pv": {"1"}},
		{"u": {"mallory"}, "k": {key}, "pv": {"1"}},
		{"u": {"mallory"}, "k": {key}, "pv": {"1"}, "c": {"AAAA"}, "s": {"AAAA"}},
		{"u": {"älice\xff\x00"}, "k": {key}, "pv": {"1"}},
		{"u": {"mallory"}, "k": {strings.Repeat("A", 15000)}, "pv": {"1"}},
		{"u": {strings.Repeat("a", 1<<20)}},
	}
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 16}}
	defer client.CloseIdleConnections()
	attempts := 150
	if testing.Short() {
		attempts = 30
	}
	v.attack(t, func(t *testing.T) {
		var mu sync.Mutex
		statuses := map[int]int{}
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for i := range attempts {
					r, err := client.PostForm(v.URL()+"/login", forms[i%len(forms)])
					if err != nil {
						continue // the hub does not read a form over the limit to its end
					}
					_, _ = io.Copy(io.Discard, r.Body)
					_ = r.Body.Close()
					if r.StatusCode == http.StatusTooManyRequests && r.Header.Get("Retry-After") == "" {
						t.Error("429 without Retry-After")
					}
					mu.Lock()
					statuses[r.StatusCode]++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		t.Logf("statuses %v", statuses)
		for status := range statuses {
			if status != 200 && status != 400 && status != 403 && status != 429 {
				t.Errorf("a login was answered %d", status)
			}
		}
	})
	// Somebody in the hub's own process logs in all the same.
	must(t, v.AddUser(context.Background(), "bob"))
	_, err := v.AddAgent(context.Background(), "bob", hubtest.Key(2).Public())
	must(t, err)
	login(t, v.Hub, "bob", hubtest.Key(2))
}
