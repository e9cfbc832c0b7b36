package main

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream"
	"github.com/komstream/komstream/connection"
)

// The exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitWrong       = 3
	exitRefused     = 4
	exitDenied      = 5
	exitUnreachable = 6
)

const exitCodes = "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a check found something wrong, 4 some of what was sent was\n" +
	"refused and the rest is stored, 5 the hub denies access, 6 the hub was not reached in time."

func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "How a command ends",
		Long: "Every command ends with one of these codes:\n\n" +
			"  0  what was asked is done; an interrupt ends hub, demo and watch in order\n" +
			"  1  it failed; one line on standard error says why and what to do\n" +
			"  2  the command line is wrong; nothing was done\n" +
			"  3  a check found something wrong: of the demo, or of hub verify\n" +
			"  4  the hub refused some of what was sent, and lines on standard error say which; the rest is stored\n" +
			"  5  the hub denies access: the key is not authorised for the user, or suspended\n" +
			"  6  the hub was not reached within --timeout",
	}
}

// statusDenied is the protocol's status of what an agent may not do.
const statusDenied = 4430

// explain returns the exit code of an error, and what to do about it where the error does not say so.
func explain(err error) (code int, advice string) {
	var coded *codedError
	var opening *komstream.OpenError
	var refused *connection.RefusedError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &coded):
		return coded.code, ""
	case errors.Is(err, komstream.ErrAccessDenied):
		return exitDenied, ": on the hub's machine, authorise the key with `komstream --dir DIR agent add USER PUBFILE`, " +
			"or see `komstream --dir DIR agent ls USER`"
	case errors.As(err, &unknown):
		return exitUnreachable, ": name the authority's certificate in SSL_CERT_FILE if you trust it"
	case errors.As(err, &opening) && errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable, ": is the hub running, and is its URL right? --timeout waits longer"
	case errors.As(err, &refused) && refused.Status == statusDenied && refused.URI.Owner() != "":
		return exitFailed, ": ask its owner for `komstream share add`"
	case errors.As(err, &refused) && strings.HasPrefix(refused.Action, "share"):
		return exitFailed, ""
	case errors.As(err, &refused) && refused.Action == "unshare":
		return exitFailed, ": see `komstream share ls`"
	case errors.Is(err, komstream.ErrNotFound):
		return exitFailed, ": see `komstream ls`"
	case errors.Is(err, context.Canceled):
		return exitFailed, ": interrupted"
	case strings.Contains(err.Error(), "used by another process"):
		return exitFailed, ": stop the other hub, or choose another --dir"
	}
	return exitFailed, ""
}
