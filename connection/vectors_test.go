package connection

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"sync"
	"testing"

	"github.com/komstream/komstream/internal/vectortest"
)

// vectors decodes one of the golden files: see package vectortest.
func vectors(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(vectortest.Text(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("base64 %.40q: %v", text, err)
	}
	return b
}

// loginVectors is login.json as far as this package reads it.
type loginVectors struct {
	PKCS8     string `json:"private_key_pkcs8_der_b64"`
	PKCS1     string `json:"private_key_pkcs1_der_b64_0.8"`
	OpenSSH   string `json:"public_key_openssh"`
	FieldNew  string `json:"k_field_0.9_to_0.12"`
	FieldOld  string `json:"k_field_0.1_to_0.8"`
	PublicPEM string `json:"public_key_pem_0.8"`
	Bits      int    `json:"key_bits"`
	Other     string `json:"other_public_key_openssh"`

	Challenges []struct {
		Plaintext string `json:"plaintext_b64"`
		Challenge string `json:"challenge_b64"`
		C         string `json:"c"`
	} `json:"challenges"`
	Legacy []struct {
		OAEP      string `json:"oaep"`
		Challenge string `json:"challenge_b64"`
	} `json:"legacy_challenges"`
	Bad []struct {
		Name      string `json:"name"`
		Challenge string `json:"challenge_b64"`
		Accepts   bool   `json:"client_accepts"`
	} `json:"bad_challenges"`
	Signatures []struct {
		Name  string `json:"name"`
		Hash  string `json:"hash_b64"`
		S     string `json:"s"`
		Valid bool   `json:"valid"`
	} `json:"signatures"`
	HTTP []struct {
		Name   string
		Form   map[string]any
		Status int
		Body   any
		Cookie bool
	}
}

var loadLogin = sync.OnceValue(func() *loginVectors { return new(loginVectors) })

// goldenLogin returns login.json, read once.
func goldenLogin(t testing.TB) *loginVectors {
	t.Helper()
	v := loadLogin()
	if v.Bits == 0 {
		vectors(t, "login.json", v)
	}
	return v
}

// goldenKey returns the key of login.json: a fixed one spares the tests the seconds of making one.
func goldenKey(t testing.TB) *Key {
	t.Helper()
	k, err := ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: unbase64(t, goldenLogin(t).PKCS8)}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
