package connection

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestGoldenKeys parses and prints keys as the original does.
func TestGoldenKeys(t *testing.T) {
	v, k := goldenLogin(t), goldenKey(t)
	if got := k.Public().String(); got != v.OpenSSH {
		t.Errorf("public key %s, want %s", got, v.OpenSSH)
	}
	if got := k.Public().Bits(); got != v.Bits {
		t.Errorf("%d bits, want %d", got, v.Bits)
	}
	old, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: unbase64(t, v.PKCS1)}))
	if err != nil || !old.Public().Equal(k.Public()) {
		t.Errorf("PKCS#1: %v, %v", old, err)
	}
	texts := map[string]string{
		"OpenSSH":                v.OpenSSH,
		"OpenSSH, newline":       v.OpenSSH + "\n",
		"OpenSSH, CRLF":          v.OpenSSH + "\r\n",
		"OpenSSH, comment":       v.OpenSSH + " alice@host of many words",
		"PEM":                    v.PublicPEM,
		"login field, 0.9 on":    string(unbase64(t, v.FieldNew)),
		"login field, up to 0.8": string(unbase64(t, v.FieldOld)),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			public, err := ParsePublicKey(text)
			if err != nil || !public.Equal(k.Public()) || public.String() != v.OpenSSH {
				t.Errorf("%v, %v", public, err)
			}
		})
	}
	other, err := ParsePublicKey(v.Other)
	if err != nil || other.Equal(k.Public()) || other.Equal(PublicKey{}) || !(PublicKey{}).Equal(PublicKey{}) {
		t.Errorf("other key: %v, equal %v", err, other.Equal(k.Public()))
	}
	t.Logf("%d key texts", len(texts)+3)
	if f := k.Public().Fingerprint(); !strings.HasPrefix(f, "SHA256:") || len(f) != 50 || f == other.Fingerprint() {
		t.Errorf("fingerprint %q", f)
	}
}

// TestGoldenPublicKeys derives from the login calls: what the hub could not use has error 3701 or 3801,
// or a PEM text, which it took no more.
func TestGoldenPublicKeys(t *testing.T) {
	ran := 0
	for _, c := range goldenLogin(t).HTTP {
		field, _ := c.Form["k"].(string)
		text, err := base64.StdEncoding.DecodeString(field)
		if err != nil || field == "" {
			continue
		}
		code := 0.0
		if body, ok := c.Body.(map[string]any); ok {
			code, _ = body["error"].(float64)
		}
		unusable := (code == 3701 || code == 3801) && !strings.HasPrefix(string(text), "-----BEGIN")
		ran++
		t.Run(c.Name, func(t *testing.T) {
			if _, err := ParsePublicKey(string(text)); (err != nil) != unusable {
				t.Errorf("%v, the original said %v", err, code)
			}
		})
	}
	t.Logf("%d public keys", ran)
}

func TestBadPublicKeysAreRefusedWithTheRule(t *testing.T) {
	v := goldenLogin(t)
	blob := unbase64(t, strings.Fields(v.OpenSSH)[1])
	line := func(b []byte) string { return "ssh-rsa " + base64.StdEncoding.EncodeToString(b) }
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int, to byte) []byte {
		b := append([]byte(nil), blob...)
		b[at] = to
		return b
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "must be \"ssh-rsa\""},
		{"type", strings.Replace(v.OpenSSH, "ssh-rsa", "ssh-dss", 1), "must be \"ssh-rsa\""},
		{"no base64", "ssh-rsa ???", "in base64"},
		{"two lines", v.OpenSSH[:100] + "\n" + v.OpenSSH[100:], "in base64"},
		{"two keys", v.OpenSSH + " comment\n" + v.OpenSSH, "one line"},
		{"cut off", line(blob[:len(blob)-1]), "cut off"},
		{"tail", line(append(blob, 0)), "nothing else"},
		{"inner type", line(changed(5, 'S')), "nothing else"},
		{"exponent 3", line(changed(17, 3)), "exponent"},
		{"even modulus", line(changed(len(blob)-1, blob[len(blob)-1]&^1)), "odd"},
		{"negative modulus", line(append(append([]byte{}, blob[:18]...), append([]byte{0, 0, 2, 0}, blob[23:]...)...)), "positive"},
		{"2048 bits", PublicKey{&weak.PublicKey}.String(), "2048 bits must have 4096 to 8192"},
		{"huge", "ssh-rsa " + strings.Repeat("A", 1<<20), "at most 16384"},
		{"broken PEM", v.PublicPEM[:200], "one whole block"},
		{"other PEM", strings.ReplaceAll(v.PublicPEM, "PUBLIC", "PRIVATE"), "one whole block"},
	} {
		if _, err := ParsePublicKey(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v must hold %q", c.name, err, c.want)
		}
	}
}

func writeFile(t *testing.T, mode os.FileMode, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.priv")
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadKeyNamesFileAndRule(t *testing.T) {
	v := goldenLogin(t)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curveDER, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good := block("PRIVATE KEY", unbase64(t, v.PKCS8))
	for _, c := range []struct {
		name    string
		mode    os.FileMode
		content []byte
		want    string
	}{
		{"good", 0o600, good, ""},
		{"read-only", 0o400, good, ""},
		{"group", 0o640, good, "nobody but its owner"},
		{"world", 0o604, good, "chmod 600"},
		{"empty", 0o600, nil, "must be PEM"},
		{"public", 0o600, []byte(v.PublicPEM), "must be PRIVATE KEY"},
		{"encrypted", 0o600, block("ENCRYPTED PRIVATE KEY", []byte{1}), "encrypted"},
		{"encrypted the old way", 0o600, []byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"), "encrypted"},
		{"damaged", 0o600, block("PRIVATE KEY", []byte{1, 2}), "damaged"},
		{"weak", 0o600, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak)), "2048 bits must have 4096 to 8192"},
		{"other type", 0o600, block("PRIVATE KEY", curveDER), "must be an RSA key"},
		{"large", 0o600, make([]byte, 1<<17), "at most 65536"},
	} {
		path := writeFile(t, c.mode, c.content)
		k, err := LoadKey(path)
		switch {
		case c.want == "" && (err != nil || k == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: error %v must hold %q and the file", c.name, err, c.want)
		}
	}
	if _, err := LoadKey(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("directory: %v", err)
	}
}

func TestLoadOrCreateKeyMakesBothFilesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.priv")
	const processes = 2
	keys := make([]*Key, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, k := range keys {
		if !k.Public().Equal(keys[0].Public()) {
			t.Fatal("callers got different keys")
		}
	}
	public := strings.TrimSuffix(path, ".priv") + ".pub"
	for file, mode := range map[string]os.FileMode{path: 0o600, public: 0o644} {
		info, err := os.Stat(file)
		if err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want mode %v", file, info, err, mode)
		}
	}
	text, err := os.ReadFile(public)
	if err != nil || string(text) != keys[0].Public().String() {
		t.Errorf("public file %q, %v", text, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Errorf("files left: %v, %v", entries, err)
	}
	if err := os.Remove(public); err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil || !again.Public().Equal(keys[0].Public()) {
		t.Errorf("loaded again: %v, %v", again, err)
	}
	if _, err := os.Stat(public); err != nil {
		t.Errorf("public file was not written again: %v", err)
	}
}

func TestAPublicFileOfAnotherKeyIsAnError(t *testing.T) {
	v := goldenLogin(t)
	path := writeFile(t, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: unbase64(t, v.PKCS8)}))
	public := strings.TrimSuffix(path, ".priv") + ".pub"
	for text, good := range map[string]bool{v.OpenSSH + " comment": true, v.PublicPEM: true, v.Other: false, "nonsense": false} {
		if err := os.WriteFile(public, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrCreateKey(path); (err == nil) != good || err != nil && !strings.Contains(err.Error(), public) {
			t.Errorf("public file %.20q: %v", text, err)
		}
	}
}

func TestLoadOrCreateKeyLeavesABadFileAlone(t *testing.T) {
	path := writeFile(t, 0o600, []byte("not a key"))
	if _, err := LoadOrCreateKey(path); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "not a key" {
		t.Errorf("file is now %q, %v", text, err)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	k, c := goldenKey(t), NewCookie("very-secret")
	text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", k, k, k, k, c, c, c, c)
	if strings.Contains(text, "very-secret") || strings.Contains(text, "rsa.PrivateKey") || len(text) > 1000 {
		t.Errorf("printed %s", text)
	}
}

func FuzzParsePublicKey(f *testing.F) {
	v := goldenLogin(f)
	for _, seed := range []string{v.OpenSSH, v.PublicPEM, v.Other + " comment", "ssh-rsa AAAA", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParsePublicKey(text)
		if err != nil {
			return
		}
		again, err := ParsePublicKey(k.String())
		if err != nil || !again.Equal(k) || again.String() != k.String() {
			t.Errorf("%q became %q, %v", k, again, err)
		}
	})
}
