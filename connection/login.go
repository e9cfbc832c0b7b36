package connection

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/komstream/komstream/metric"
)

const (
	cookieName      = "kid"
	protocolVersion = 1

	// DefaultLoginTimeout bounds a whole login.
	DefaultLoginTimeout = 30 * time.Second

	maxLoginBody = 64 << 10
)

// Cookie is what a login returns and a dial needs: it stands for the session at the hub. Opaque and secret; it
// prints as a placeholder. It is worth keeping over reconnects, since the hooks hang on it. The zero value is none.
type Cookie struct {
	pair string // "kid=VALUE", as it goes into the Cookie header
}

// NewCookie returns the Cookie of a value obtained elsewhere.
func NewCookie(value string) Cookie {
	if value == "" {
		return Cookie{}
	}
	return Cookie{cookieName + "=" + value}
}

// IsZero reports whether c is none.
func (c Cookie) IsZero() bool { return c.pair == "" }

// String returns a placeholder.
func (c Cookie) String() string {
	if c.IsZero() {
		return "no cookie"
	}
	return "cookie (secret)"
}

// GoString is [Cookie.String].
func (c Cookie) GoString() string { return c.String() }

// LoginConfig says where and as whom to log in.
type LoginConfig struct {
	// URL is the hub's login address, http or https, usually ending in /login.
	URL string
	// Username is the account, in any case.
	Username string
	// Key is one of the account's agents'.
	Key *Key
	// Client makes the HTTP requests; it is not asked to follow redirects. If nil, a client for this login alone is
	// made from Dial, TLS and the proxy settings of the environment.
	Client *http.Client
	// Dial opens the network connection where Client is nil; no proxy is used then. Default a [net.Dialer].
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is used where Client is nil. May be nil.
	TLS *tls.Config
	// Timeout bounds the whole login. Default [DefaultLoginTimeout].
	Timeout time.Duration
}

// Login proves to the hub that the caller has the key, and returns the session's cookie. It takes two requests and
// some milliseconds of computing. It returns when ctx ends at the latest. Errors are [*LoginError] but for a wrong
// configuration; errors.Is(err, ErrAccessDenied) tells that trying again is of no use.
func Login(ctx context.Context, config LoginConfig) (Cookie, error) {
	l, err := newLogin(config)
	if err != nil {
		return Cookie{}, err
	}
	if config.Client == nil {
		defer l.client.CloseIdleConnections()
	}
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = DefaultLoginTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	proof, err := l.challenge(ctx)
	if err != nil {
		return Cookie{}, err
	}
	return l.prove(ctx, proof)
}

// login is one login under way.
type login struct {
	client *http.Client
	url    string
	key    *Key
	form   url.Values
}

func newLogin(config LoginConfig) (*login, error) {
	username, err := metric.ParseUsername(config.Username)
	if err != nil {
		return nil, fmt.Errorf("connection: login: %w", err)
	}
	if config.Key == nil {
		return nil, errors.New("connection: login: a key must be given")
	}
	u, err := url.Parse(config.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("connection: login URL %.200q must be http://HOST/PATH or https://HOST/PATH", config.URL)
	}
	return &login{
		client: loginClient(config),
		url:    u.String(),
		key:    config.Key,
		form: url.Values{
			"u":  {username},
			"k":  {base64.StdEncoding.EncodeToString([]byte(config.Key.Public().String()))},
			"pv": {strconv.Itoa(protocolVersion)},
		},
	}, nil
}

func loginClient(config LoginConfig) *http.Client {
	var client http.Client
	if config.Client != nil {
		client = *config.Client
	} else {
		transport := &http.Transport{
			DialContext:            config.Dial,
			TLSClientConfig:        config.TLS.Clone(),
			MaxResponseHeaderBytes: maxLoginBody,
		}
		if config.Dial == nil {
			transport.Proxy = http.ProxyFromEnvironment
		}
		client.Transport = transport
	}
	// Whoever we are redirected to is not the hub that was asked for.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// challenge is step 1. It returns the fields of the proof.
func (l *login) challenge(ctx context.Context) (proof url.Values, err error) {
	answer, err := l.post(ctx, 1, l.form)
	if err != nil {
		return nil, err
	}
	var body struct {
		Challenge string `json:"challenge"`
	}
	encrypted := []byte(nil)
	if err := json.Unmarshal(answer.body, &body); err == nil {
		encrypted, _ = base64.StdEncoding.DecodeString(body.Challenge)
	}
	if len(encrypted) == 0 {
		return nil, answer.fail("answer holds no challenge: " + answer.describe())
	}
	plaintext, err := l.key.Decrypt(encrypted)
	if err != nil {
		return nil, answer.fail("challenge is not for this key")
	}
	hash := ChallengeHash(plaintext)
	signature, err := l.key.Sign(hash)
	if err != nil {
		return nil, err
	}
	return url.Values{
		"c": {base64.StdEncoding.EncodeToString(hash[:])},
		"s": {base64.StdEncoding.EncodeToString(signature)},
	}, nil
}

// prove is step 2.
func (l *login) prove(ctx context.Context, proof url.Values) (Cookie, error) {
	for name, value := range l.form {
		proof[name] = value
	}
	answer, err := l.post(ctx, 2, proof)
	if err != nil {
		return Cookie{}, err
	}
	var found Cookie
	for _, c := range answer.cookies {
		if c.Name == cookieName && c.Value != "" {
			// Name and value only, quoted as it came.
			found = Cookie{(&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String()}
		}
	}
	if found.IsZero() {
		return Cookie{}, answer.fail("answer sets no cookie \"kid\": " + answer.describe())
	}
	return found, nil
}

// post sends a form and returns the answer if its status is 200.
func (l *login) post(ctx context.Context, step int, form url.Values) (*loginAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("connection: login: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return nil, &LoginError{Step: step, Reason: "no answer", Err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxLoginBody+1))
	if err != nil {
		return nil, &LoginError{Step: step, Status: response.StatusCode, Reason: "answer broke off", Err: err}
	}
	a := &loginAnswer{step: step, status: response.StatusCode, body: body, cookies: response.Cookies()}
	a.mediaType, _, _ = mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case len(body) > maxLoginBody:
		return nil, a.fail(fmt.Sprintf("answer has more than %d bytes: is this the login URL of a hub?", maxLoginBody))
	case a.status/100 == 3:
		return nil, a.fail(fmt.Sprintf("answer redirects to %.200q: the login URL must be the hub's own",
			response.Header.Get("Location")))
	case a.status != http.StatusOK:
		return nil, a.refused()
	case a.mediaType != "application/json":
		return nil, a.fail("answer must be JSON: " + a.describe())
	}
	return a, nil
}

// loginAnswer is the answer to one step.
type loginAnswer struct {
	step, status int
	mediaType    string
	body         []byte
	cookies      []*http.Cookie
}

func (a *loginAnswer) fail(reason string) *LoginError {
	return &LoginError{Step: a.step, Status: a.status, Reason: reason}
}

// describe says what came instead of what was expected, without repeating it: a proxy's page is of no use in a log,
// and a hub's answer may be secret.
func (a *loginAnswer) describe() string {
	kind := a.mediaType
	if kind == "" {
		kind = "unknown type"
	}
	return fmt.Sprintf("it has %d bytes of %.80s: is this the login URL of a hub?", len(a.body), kind)
}

// refused reads the hub's error number, if it is a hub that answers.
func (a *loginAnswer) refused() *LoginError {
	var body struct {
		Error int `json:"error"`
	}
	e := a.fail(http.StatusText(a.status))
	if json.Unmarshal(a.body, &body) == nil && body.Error > 0 {
		e.Code = body.Error
		if reason, ok := loginReasons[body.Error]; ok {
			e.Reason = reason
		}
		return e
	}
	e.Reason = strings.TrimSpace(e.Reason + ", " + a.describe())
	return e
}

// loginReasons are the protocol's error numbers in words.
var loginReasons = map[int]string{
	3701: "hub cannot use this public key", 3801: "hub cannot use this public key",
	3702: "no such user", 3804: "no such user",
	3703: "key is not registered for the user", 3805: "key is not registered for the user",
	3706: "agent is suspended", 3811: "agent is suspended",
	3806: "challenge is not known", 3807: "challenge was used already", 3808: "challenge has expired",
	3810:   "signature does not verify",
	105200: "bad user name", 105300: "bad user name",
	105201: "bad base64", 105301: "bad base64",
	105202: "bad protocol version", 105304: "bad protocol version",
	105302: "challenge hash is missing", 105303: "signature is missing",
}
