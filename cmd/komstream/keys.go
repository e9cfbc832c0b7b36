package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/connection"
)

func newKeys(o *options) *cobra.Command {
	var out string
	create := &cobra.Command{
		Use:   "new",
		Short: "Make a key pair and print its public half",
		Long: "Make a 4096-bit RSA key: the private half, mode 0600, and beside it the public half with the ending .pub, which a\n" +
			"hub has to authorise with `komstream agent add`. Nothing that exists is overwritten.",
		Example: "  komstream keys new --out alice.priv",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := os.Lstat(out); err == nil {
				return fmt.Errorf("key file %s exists: show it with `komstream keys show %[1]s`, or choose another with --out", out)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if err := say(c.ErrOrStderr(), "making a 4096-bit key, which takes some seconds …"); err != nil {
				return err
			}
			key, err := connection.LoadOrCreateKey(out)
			if err != nil {
				return err
			}
			if err := say(c.ErrOrStderr(), "wrote %s and %s; next, on the hub's machine: komstream --dir DIR agent add USER %[2]s",
				out, publicFile(out)); err != nil {
				return err
			}
			return printKey(c, o, key.Public())
		},
	}
	create.Flags().StringVar(&out, "out", "key.priv", "file of the private key")
	show := &cobra.Command{
		Use:     "show FILE",
		Short:   "Print the public half of a private or public key file",
		Example: "  komstream keys show alice.priv",
		Args:    arguments("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			public, err := publicKey(args[0])
			if err != nil {
				return err
			}
			if err := printKey(c, o, public); err != nil || o.json {
				return err
			}
			return say(c.ErrOrStderr(), "%d bits, %s", public.Bits(), public.Fingerprint())
		},
	}
	return group("keys", "Make and show the keys of agents", create, show)
}

// publicFile returns where the public half of a key in a file lies.
func publicFile(private string) string {
	public := strings.TrimSuffix(private, filepath.Ext(private)) + ".pub"
	if public == private {
		public += ".pub"
	}
	return public
}

func printKey(c *cobra.Command, o *options, public connection.PublicKey) error {
	if o.json {
		return printJSON(c.OutOrStdout(), map[string]any{
			"key": public.String(), "bits": public.Bits(), "fingerprint": public.Fingerprint(),
		})
	}
	return say(c.OutOrStdout(), "%s", public)
}

// publicKey reads the public key that a file holds, or that belongs to the private key which it holds.
func publicKey(file string) (connection.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return connection.PublicKey{}, fmt.Errorf("%w: make a key with `komstream keys new`", err)
	}
	public, publicErr := connection.ParsePublicKey(string(text))
	if publicErr == nil {
		return public, nil
	}
	key, err := connection.LoadKey(file)
	if err != nil {
		return connection.PublicKey{}, fmt.Errorf("%s holds neither a public key (%w) nor a private one (%w)", file, publicErr, err)
	}
	return key.Public(), nil
}
