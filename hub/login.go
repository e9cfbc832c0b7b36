package hub

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/metric"
)

const (
	cookieName = "kid"
	loginLimit = 16 << 10 // bytes of a login's body
)

// loginError is a refused login: the HTTP status and the protocol's error number.
type loginError struct {
	status, code int
	retry        time.Duration // with 429: when the next attempt may come
}

// tooMany is a login above its rate. Agents treat it as any failure, and try again.
func tooMany(wait time.Duration) *loginError {
	return &loginError{http.StatusTooManyRequests, 105000, wait}
}

func refusedLogin(status, code int) *loginError { return &loginError{status: status, code: code} }

// loginForm is what an agent posts, once it has passed the checks that need no account.
type loginForm struct {
	user      string
	key       []byte // the text of the public key
	step2     bool
	hash      []byte
	signature []byte
}

// login serves POST /login. Nothing of the form is stored or logged before the signature has been verified, and
// nothing is ever fetched.
func (h *Hub) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "login is a POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, loginLimit)
	w.Header().Set("Content-Type", `application/json; charset="utf-8"`)
	w.Header().Set("Cache-Control", "no-store")
	id := h.clients.requestID(r)
	w.Header().Set(requestIDHeader, id)
	refuse := func(e *loginError) {
		h.measured.login(e.status)
		if e.retry > 0 {
			w.Header().Set("Retry-After", retryAfter(e.retry))
		}
		w.WriteHeader(e.status)
		_ = json.NewEncoder(w).Encode(map[string]int{"error": e.code})
	}
	if err := r.ParseMultipartForm(loginLimit); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		refuse(refusedLogin(http.StatusBadRequest, 105000))
		return
	}
	if r.MultipartForm != nil {
		defer func() { _ = r.MultipartForm.RemoveAll() }()
	}
	form, refusal := readLogin(r.PostForm)
	if refusal != nil {
		refuse(refusal)
		return
	}
	var body any
	if form.step2 {
		refusal = h.prove(w, r, form, id)
	} else {
		body, refusal = h.challenge(r, form)
	}
	if refusal != nil {
		refuse(refusal)
		return
	}
	_ = json.NewEncoder(w).Encode(body)
}

// readLogin checks a login's fields in the protocol's order.
func readLogin(values map[string][]string) (*loginForm, *loginError) {
	get := func(name string) (string, bool) {
		if v := values[name]; len(v) > 0 {
			// The last one wins, as everywhere in this protocol; blanks around it do not count.
			return strings.TrimSpace(v[len(v)-1]), true
		}
		return "", false
	}
	bad := func(code int) *loginError { return refusedLogin(http.StatusBadRequest, code) }
	k, hasKey := get("k")
	if _, hasPassword := get("p"); !hasKey || hasPassword {
		return nil, bad(105000)
	}
	c, hasHash := get("c")
	s, hasSignature := get("s")
	f := &loginForm{step2: hasHash || hasSignature}
	base := 105200
	pvCode := 105202
	if f.step2 {
		base, pvCode = 105300, 105304
	}
	u, _ := get("u")
	var err error
	if f.user, err = metric.ParseUsername(u); err != nil {
		return nil, bad(base)
	}
	var ok bool
	if f.key, ok = decodeBase64(k); !ok {
		return nil, bad(base + 1)
	}
	if f.step2 {
		if !hasHash {
			return nil, bad(105302)
		}
		if !hasSignature {
			return nil, bad(105303)
		}
	}
	pv, _ := get("pv")
	if n, err := strconv.Atoi(pv); err != nil || n != 1 {
		return nil, bad(pvCode)
	}
	if f.hash, ok = decodeBase64(c); !ok {
		return nil, bad(base + 1)
	}
	if f.signature, ok = decodeBase64(s); !ok {
		return nil, bad(base + 1)
	}
	return f, nil
}

// agentOf finds the agent of a login. codes are the error numbers for an unusable key, an unknown user, a key that
// is not registered, and an agent that is not active.
func (h *Hub) agentOf(f *loginForm, codes [4]int) (*agent, *loginError) {
	key, err := connection.ParsePublicKey(string(f.key))
	if err != nil {
		return nil, refusedLogin(http.StatusBadRequest, codes[0])
	}
	u := h.directory.user(f.user)
	if u == nil {
		return nil, refusedLogin(http.StatusForbidden, codes[1])
	}
	a := h.directory.agentByKey(u, key)
	if a == nil {
		return nil, refusedLogin(http.StatusForbidden, codes[2])
	}
	if !a.mayAct() {
		return nil, refusedLogin(http.StatusForbidden, codes[3])
	}
	return a, nil
}

// challenge is step 1.
func (h *Hub) challenge(r *http.Request, f *loginForm) (any, *loginError) {
	a, refusal := h.agentOf(f, [4]int{3701, 3702, 3703, 3706})
	if refusal != nil {
		return nil, refusal
	}
	from, now := h.clients.address(r), h.config.now()
	text, wait := h.challenges.again(a, from, now)
	if wait > 0 {
		return nil, tooMany(wait)
	}
	if text == nil {
		plaintext := randomBytes(connection.ChallengeSize)
		release, ok := h.computing(r)
		if !ok {
			return nil, refusedLogin(http.StatusServiceUnavailable, 105000)
		}
		var err error
		text, err = a.key.Encrypt(plaintext)
		release()
		if err != nil {
			return nil, refusedLogin(http.StatusInternalServerError, 3701)
		}
		h.challenges.add(a, from, plaintext, text, now)
	}
	return map[string]string{"challenge": base64.StdEncoding.EncodeToString(text)}, nil
}

// prove is step 2.
func (h *Hub) prove(w http.ResponseWriter, r *http.Request, f *loginForm, id string) *loginError {
	a, refusal := h.agentOf(f, [4]int{3801, 3804, 3805, 3811})
	if refusal != nil {
		return refusal
	}
	now := h.config.now()
	k := challengeKey{agent: a.id}
	if copy(k.hash[:], f.hash) != len(k.hash) || len(f.hash) != len(k.hash) {
		return refusedLogin(http.StatusForbidden, challengeUnknown)
	}
	if code := h.challenges.check(k, now); code != 0 {
		return refusedLogin(http.StatusForbidden, code)
	}
	from := h.clients.address(r)
	// By address only: of a key's signature nobody guesses, and nobody shall lock out the user.
	if wait := h.limits.blocked(from, "", now); wait > 0 {
		return tooMany(wait)
	}
	release, ok := h.computing(r)
	if !ok {
		return refusedLogin(http.StatusServiceUnavailable, 105000)
	}
	verified := a.key.Verify(k.hash, f.signature)
	release()
	if !verified {
		h.limits.failed(from, "", now)
		return refusedLogin(http.StatusForbidden, 3810)
	}
	if code := h.challenges.use(k, now); code != 0 {
		return refusedLogin(http.StatusForbidden, code)
	}
	expires := now.Add(h.config.CookieLife)
	value, err := h.directory.addCookie(r.Context(), a, expires)
	if err != nil {
		h.log.Error("login: the cookie cannot be stored", zap.Error(err))
		return refusedLogin(http.StatusServiceUnavailable, 105000)
	}
	h.measured.login(http.StatusOK)
	h.log.Info("login", zap.String("request", id), zap.String("user", a.user.name), zap.String("agent", string(a.id)),
		zap.String("address", from))
	secure, domain := h.clients.cookieFor(r)
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", Expires: expires, HttpOnly: true,
		Secure: secure, Domain: domain,
	})
	return nil
}

// computing waits for a turn at the cores, and returns what ends it.
func (h *Hub) computing(r *http.Request) (release func(), ok bool) {
	select {
	case h.rsa <- struct{}{}:
		return func() { <-h.rsa }, true
	case <-r.Context().Done():
		return nil, false
	}
}

// decodeBase64 decodes as the original hub does: characters that are not of the alphabet are skipped, what follows
// complete padding is ignored, and only incomplete padding is an error.
func decodeBase64(text string) (decoded []byte, ok bool) {
	kept := make([]byte, 0, len(text))
	pads := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '=':
			if len(kept)%4 < 2 {
				continue
			}
			if pads++; len(kept)%4+pads < 4 {
				continue
			}
			decoded, err := base64.RawStdEncoding.DecodeString(string(kept))
			return decoded, err == nil
		case 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/':
			pads = 0
			kept = append(kept, c)
		}
	}
	if len(kept)%4 != 0 {
		return nil, false
	}
	decoded, err := base64.RawStdEncoding.DecodeString(string(kept))
	return decoded, err == nil
}
