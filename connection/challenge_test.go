package connection

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// TestGoldenChallenges decrypts and hashes as the original does.
func TestGoldenChallenges(t *testing.T) {
	v, k := goldenLogin(t), goldenKey(t)
	if len(v.Challenges) == 0 || len(v.Bad) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range v.Challenges {
		t.Run("hash "+c.C, func(t *testing.T) {
			plaintext, err := k.Decrypt(unbase64(t, c.Challenge))
			if err != nil {
				t.Fatal(err)
			}
			if want := unbase64(t, c.Plaintext); !bytes.Equal(plaintext, want) {
				t.Errorf("plaintext %x, want %x", plaintext, want)
			}
			h := ChallengeHash(plaintext)
			if got := base64.StdEncoding.EncodeToString(h[:]); got != c.C {
				t.Errorf("hash is %s, want %s", got, c.C)
			}
		})
	}
	for _, c := range v.Bad {
		t.Run(c.Name, func(t *testing.T) {
			if _, err := k.Decrypt(unbase64(t, c.Challenge)); (err == nil) != c.Accepts {
				t.Errorf("got error %v, accepted should be %v", err, c.Accepts)
			}
		})
	}
	// The arithmetic of agents before 0.2 and before 0.7: this protocol has only one.
	for _, c := range v.Legacy {
		t.Run("legacy "+c.OAEP, func(t *testing.T) {
			if plaintext, err := k.Decrypt(unbase64(t, c.Challenge)); err == nil {
				t.Errorf("decrypted to %x", plaintext)
			}
		})
	}
	t.Logf("%d challenges, %d bad ones, %d of older agents", len(v.Challenges), len(v.Bad), len(v.Legacy))
}

// TestGoldenSignatures verifies as the original hub does.
func TestGoldenSignatures(t *testing.T) {
	v := goldenLogin(t)
	public, err := ParsePublicKey(v.OpenSSH)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Signatures) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range v.Signatures {
		t.Run(c.Name, func(t *testing.T) {
			if got := public.Verify([32]byte(unbase64(t, c.Hash)), unbase64(t, c.S)); got != c.Valid {
				t.Errorf("verified %v, want %v", got, c.Valid)
			}
		})
	}
	t.Logf("%d signatures", len(v.Signatures))
}

func TestChallengeRoundTrip(t *testing.T) {
	k := goldenKey(t)
	plaintext := bytes.Repeat([]byte{7}, ChallengeSize)
	challenge, err := k.Public().Encrypt(plaintext)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Decrypt(challenge)
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Fatalf("decrypted %x, %v; want %x", got, err, plaintext)
	}
	h := ChallengeHash(got)
	signature, err := k.Sign(h)
	if err != nil {
		t.Fatal(err)
	}
	if !k.Public().Verify(h, signature) {
		t.Error("own signature does not verify")
	}
	if (PublicKey{}).Verify(h, signature) {
		t.Error("no key verified a signature")
	}
	if _, err := (PublicKey{}).Encrypt(plaintext); err == nil {
		t.Error("no key encrypted a challenge")
	}
}
