package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/komstream/komstream/internal/admin"
	"github.com/komstream/komstream/metric"
)

// listed is a metric in a list.
type listed struct {
	URI  metric.URI `json:"uri"`
	Kind string     `json:"kind"`
	// Samples is how many there are; nil where the hub does not say.
	Samples *int64 `json:"samples,omitempty"`
	Last    string `json:"last,omitempty"`
	Value   any    `json:"value,omitempty"`
	// Age is that of the newest sample, in seconds.
	Age *float64 `json:"age,omitempty"`

	text string // of the newest sample
	age  time.Duration
}

// newListed describes a metric; last is the time of its newest sample, zero for none.
func newListed(uri metric.URI, kind metric.Kind, last time.Time, now time.Time) listed {
	l := listed{URI: uri, Kind: kind.String()}
	if !last.IsZero() {
		l.Last, l.age = timeText(last), now.Sub(last)
		seconds := l.age.Seconds()
		l.Age = &seconds
	}
	return l
}

func newList(o *options) *cobra.Command {
	var tree bool
	c := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List metrics with their newest samples",
		Long: "List the user's metrics at a uri and below it, or all: kind, number of samples, newest value and its age. What another\n" +
			"user shares is listed by OWNER: or OWNER:URI. With --dir the metrics are those of the hub's data, of the user that\n" +
			"the prefix names, or --user. The number of samples is known there only.",
		Example:           "  komstream ls\n  komstream ls host --tree\n  komstream --dir data ls alice: --json",
		Args:              atMostOne("PREFIX"),
		ValidArgsFunction: o.completeURIs,
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		owner, prefix, err := parsePrefix(args)
		if err != nil {
			return err
		}
		rows, err := o.list(c, owner, prefix)
		if err != nil {
			return err
		}
		switch {
		case o.json:
			return printJSON(c.OutOrStdout(), jsonList(rows))
		case tree:
			return printTree(c, rows)
		}
		return table(c.OutOrStdout(), "METRIC\tKIND\tSAMPLES\tLAST\tAGE", rows, func(l listed) string {
			return string(l.URI) + l.columns()
		})
	}
	c.Flags().BoolVar(&tree, "tree", false, "print the levels of the uris as a tree")
	return o.asClient(c)
}

func atMostOne(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage(fmt.Errorf("%s takes [%s], got %d arguments: see %[1]s --help", c.CommandPath(), name, len(args)))
		}
		return nil
	}
}

// parsePrefix reads what to list: nothing, URI, OWNER: or OWNER:URI. The uri is local, "" for everything.
func parsePrefix(args []string) (owner string, prefix metric.URI, err error) {
	if len(args) == 0 {
		return "", "", nil
	}
	if name, all := strings.CutSuffix(args[0], ":"); all {
		if owner, err = metric.ParseUsername(name); err != nil {
			err = usage(err)
		}
		return owner, "", err
	}
	names, err := uris(args)
	if err != nil {
		return "", "", err
	}
	return names[0].Owner(), names[0].Local(), nil
}

// list lists the metrics at a prefix, in the data of --dir or through a session. The owner is "" for the user.
func (o *options) list(c *cobra.Command, owner string, prefix metric.URI) ([]listed, error) {
	if o.dir == "" {
		return o.listRemote(c, owner, prefix)
	}
	user := owner
	if user == "" {
		user = o.client.where.User
	}
	if user == "" {
		return nil, usage(errors.New("with --dir the user must be named: ls OWNER: or OWNER:URI, or --user"))
	}
	reply, err := o.do(c, admin.Request{Op: admin.ListMetrics, User: user, URI: string(prefix)})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	rows := make([]listed, len(reply.Metrics))
	for i, m := range reply.Metrics {
		kind := metric.KindDatapoint
		if m.Kind == metric.KindDatasource.String() {
			kind = metric.KindDatasource
		}
		l := newListed(metric.URI(m.URI).Global(user), kind, m.Last, now)
		l.Samples = &reply.Metrics[i].Samples
		if m.Samples > 0 {
			l.setValue(kind, m.Value)
		}
		rows[i] = l
	}
	return rows, nil
}

// setValue sets the newest value by its text.
func (l *listed) setValue(kind metric.Kind, text string) {
	var v metric.Value
	var err error
	if kind == metric.KindDatapoint {
		v, err = metric.ParseNumber(text)
	} else {
		v, err = metric.TextOf(text)
	}
	if err == nil {
		l.Value, l.text = jsonValue(v), valueText(v, 40)
	}
}

// columns returns what follows the name.
func (l *listed) columns() string {
	samples, last, age := "-", "-", "-"
	if l.Samples != nil {
		samples = strconv.FormatInt(*l.Samples, 10)
	}
	if l.Last != "" {
		age = ageText(l.age)
	}
	if l.text != "" {
		last = l.text
	}
	return "\t" + l.Kind + "\t" + samples + "\t" + last + "\t" + age
}

// printTree prints rows, which are sorted, as a tree of the levels of their uris.
func printTree(c *cobra.Command, rows []listed) error {
	root := &branch{}
	for i := range rows {
		levels := strings.Split(string(rows[i].URI.Local()), ".")
		if owner := rows[i].URI.Owner(); owner != "" {
			levels = append([]string{owner + ":"}, levels...)
		}
		root.add(levels, &rows[i])
	}
	var lines []treeLine
	root.lines("", &lines)
	return table(c.OutOrStdout(), "METRIC\tKIND\tSAMPLES\tLAST\tAGE", lines, func(l treeLine) string {
		if l.row == nil {
			return l.text + "\t\t\t\t"
		}
		return l.text + l.row.columns()
	})
}

// branch is a node of a tree.
type branch struct {
	name     string
	row      *listed // nil for a level that is no metric
	branches []*branch
}

type treeLine struct {
	text string
	row  *listed
}

func (b *branch) add(levels []string, row *listed) {
	if len(levels) == 0 {
		b.row = row
		return
	}
	for _, x := range b.branches {
		if x.name == levels[0] {
			x.add(levels[1:], row)
			return
		}
	}
	x := &branch{name: levels[0]}
	b.branches = append(b.branches, x)
	x.add(levels[1:], row)
}

func (b *branch) lines(indent string, all *[]treeLine) {
	top := indent == "" && b.name == ""
	for i, x := range b.branches {
		joint, below := "├── ", "│   "
		if i == len(b.branches)-1 {
			joint, below = "└── ", "    "
		}
		if top {
			joint, below = "", ""
		}
		*all = append(*all, treeLine{indent + joint + x.name, x.row})
		x.lines(indent+below, all)
	}
}
