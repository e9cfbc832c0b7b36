package hub

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/komstream/komstream/internal/pipe"
)

// clients finds out who asks, and by which scheme. What a request says of itself is believed from trusted proxies only.
type clients struct {
	proxies []netip.Prefix
	public  *url.URL // of Config.PublicURL, nil where that is empty
	domain  string   // of Config.CookieDomain, "" for none
}

// parseProxies reads Config.TrustedProxies: addresses and networks.
func parseProxies(texts []string) (all []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("hub: Config.TrustedProxies %q must be an address or a network like 10.0.0.0/8", text)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func newClients(c Config) (clients, error) {
	proxies, err := parseProxies(c.TrustedProxies)
	if err != nil {
		return clients{}, err
	}
	domain := strings.ToLower(strings.TrimPrefix(c.CookieDomain, "."))
	if _, err := netip.ParseAddr(domain); err == nil || strings.ContainsAny(domain, ":/ ") {
		return clients{}, fmt.Errorf("hub: Config.CookieDomain %q must be a name like example.org", c.CookieDomain)
	}
	var public *url.URL
	if c.PublicURL != "" {
		public, _ = url.Parse(c.PublicURL) // checked by withDefaults
	}
	return clients{proxies: proxies, public: public, domain: domain}, nil
}

func (c *clients) trusts(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, p := range c.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// address is whom a request is counted for, "" for the hub's own process, which is not limited. Each proxy appends
// whom it was asked by, so the list is believed from its end, as long as that is a proxy of ours.
func (c *clients) address(r *http.Request) string {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(pipe.Addr); ok && local.Network() == "pipe" {
		return ""
	}
	host := remoteHost(r)
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(list) - 1; i >= 0 && c.trusts(host); i-- {
		before := strings.TrimSpace(list[i])
		if _, err := netip.ParseAddr(before); err != nil {
			break
		}
		host = before
	}
	return bucket(host)
}

// secure reports whether the agent reaches the hub by https: because the configuration says so, because this
// connection is, or because a trusted proxy says so.
func (c *clients) secure(r *http.Request) bool {
	switch {
	case c.public != nil:
		return c.public.Scheme == "https"
	case r.TLS != nil || r.Context().Value(secureKey{}) != nil:
		return true
	}
	return c.trusts(remoteHost(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// cookieFor returns the attributes Secure and Domain for a request. On plain http, and on an address, agents would drop
// a cookie that has them.
func (c *clients) cookieFor(r *http.Request) (secure bool, domain string) {
	if !c.secure(r) {
		return false, ""
	}
	host := r.Host
	if c.public != nil {
		host = c.public.Host
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || c.domain == "" {
		return true, ""
	}
	if host == c.domain || strings.HasSuffix(host, "."+c.domain) {
		return true, c.domain
	}
	return true, ""
}

// secureKey marks the context of requests that came by TLS of our own.
type secureKey struct{}

// connContext marks what comes by TLS: the HTTP server cannot see it through our buffer.
func connContext(ctx context.Context, c net.Conn) context.Context {
	if b, ok := c.(*bundle); ok {
		if _, ok := b.Conn.(*tls.Conn); ok {
			return context.WithValue(ctx, secureKey{}, true)
		}
	}
	return ctx
}

// requestIDHeader names a request in the log and to who made it. A trusted proxy may have named it already.
const requestIDHeader = "X-Request-Id"

func (c *clients) requestID(r *http.Request) string {
	if id := r.Header.Get(requestIDHeader); id != "" && len(id) <= 64 && c.trusts(remoteHost(r)) && plain(id) {
		return id
	}
	return hex.EncodeToString(randomBytes(8))
}

func plain(text string) bool {
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}
