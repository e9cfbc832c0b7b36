package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/komstream/komstream/hub/hubtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"komstream": main})
}

// TestCommands runs the scripts in testdata/script. Each finds two keys in its directory, one.priv and one.pub, two.priv
// and two.pub: new ones take seconds.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			// The socket of a hub needs a short path.
			dir, err := os.MkdirTemp("", "ks")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("DATA", filepath.Join(dir, "data"))
			e.Setenv("TMPDIR", dir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			for n, name := range []string{"one", "two"} {
				if err := writeKey(e.WorkDir, name, n); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"waitfor":  waitFor,
			"certify":  certify,
			"examples": examples, "examples-until": examplesUntil,
		},
	})
}

func writeKey(dir, name string, n int) error {
	key := hubtest.Key(n)
	text, err := key.MarshalPEM()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".priv"), text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".pub"), []byte(key.Public().String()+" somebody\n"), 0o644)
}

// exits CODE COMMAND… runs a command that must end with the code, and print one line on standard error if it is not 0.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%v: want %s", err, args[0])
	}
	text := ts.ReadFile("stderr")
	if code != "0" && (strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "komstream: ")) {
		ts.Fatalf("the error must be one line: %q", text)
	}
}

// waitFor FILE TEXT waits until a file has a line that begins with the text. A command in the background writes it.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if f, err := os.Open(ts.MkAbs(args[0])); err == nil {
			scanner := bufio.NewScanner(f)
			for scanner.Scan() {
				if strings.HasPrefix(scanner.Text(), args[1]) {
					f.Close()
					return
				}
			}
			f.Close()
		}
		<-tick.C
	}
	ts.Fatalf("no %q in %s", args[1], args[0])
}

// certify NAME makes a certificate for 127.0.0.1 that is signed by its own key: NAME.crt and NAME.key.
func certify(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: certify NAME")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for ending, block := range map[string]*pem.Block{
		".crt": {Type: "CERTIFICATE", Bytes: cert}, ".key": {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+ending), pem.EncodeToMemory(block), 0o600))
	}
}
