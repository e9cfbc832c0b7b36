package hub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// certified is what Config says of certificates, ready for use.
type certified struct {
	config  *tls.Config       // nil without ListenTLS
	manager *autocert.Manager // nil without ACMEHosts
}

func newCertified(c Config) (certified, error) {
	files, acmeHosts := c.CertFile != "" || c.KeyFile != "", len(c.ACMEHosts) > 0
	switch {
	case len(c.ListenTLS) == 0 && !files && !acmeHosts:
		return certified{}, nil
	case len(c.ListenTLS) == 0:
		return certified{}, errors.New("hub: Config.ListenTLS must name an address where there is a certificate")
	case files && acmeHosts:
		return certified{}, errors.New("hub: Config.CertFile and Config.ACMEHosts exclude each other")
	case acmeHosts:
		return newACME(c)
	case c.CertFile == "" || c.KeyFile == "":
		return certified{}, errors.New("hub: Config.ListenTLS needs Config.CertFile and Config.KeyFile, or Config.ACMEHosts")
	}
	pair := &keyPair{cert: c.CertFile, key: c.KeyFile, log: c.Logger}
	if err := pair.load(); err != nil {
		return certified{}, err
	}
	// Websockets want HTTP/1.1.
	return certified{config: &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: pair.certificate,
	}}, nil
}

func newACME(c Config) (certified, error) {
	if c.Dir == "" {
		return certified{}, errors.New("hub: Config.ACMEHosts needs Config.Dir, to keep the certificates in")
	}
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		HostPolicy: autocert.HostWhitelist(c.ACMEHosts...),
		Cache:      autocert.DirCache(filepath.Join(c.Dir, "acme")),
		Email:      c.ACMEEmail,
	}
	if c.ACMEURL != "" {
		m.Client = &acme.Client{DirectoryURL: c.ACMEURL}
	}
	config := m.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.NextProtos = []string{"http/1.1", acme.ALPNProto}
	return certified{config: config, manager: m}, nil
}

// challenges lets the certificate authority ask on the plain listeners too.
func (c certified) challenges(next http.Handler) http.Handler {
	if c.manager == nil {
		return next
	}
	return c.manager.HTTPHandler(next)
}

// certificateAge is how old what we know of the files of a certificate may be.
const certificateAge = 10 * time.Second

// keyPair is a certificate in files. They may be replaced while the hub runs.
type keyPair struct {
	cert, key string
	log       *zap.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	checked time.Time
	changed [2]time.Time // of the files, when they were read
}

func (p *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.checked) > certificateAge {
		p.checked = time.Now()
		if p.times() != p.changed {
			// A half-written pair does not fit together: the old one stays in use until the new one does.
			if err := p.read(); err != nil {
				p.log.Error("the new certificate is not usable", zap.Error(err))
			}
		}
	}
	return p.pair, nil
}

func (p *keyPair) load() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read()
}

// read reads the files. The caller holds mu.
func (p *keyPair) read() error {
	times := p.times()
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("hub: certificate %s with key %s: %w", p.cert, p.key, err)
	}
	p.pair, p.changed = &pair, times
	return nil
}

func (p *keyPair) times() (t [2]time.Time) {
	for i, name := range []string{p.cert, p.key} {
		if info, err := os.Stat(name); err == nil {
			t[i] = info.ModTime()
		}
	}
	return t
}
