package admin

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/komstream/komstream/connection"
	"github.com/komstream/komstream/hub"
	"github.com/komstream/komstream/metric"
)

// Op is what a [Request] asks for.
type Op string

// The operations, with the fields of the request that they need.
const (
	AddUser       Op = "add-user"       // User
	ListUsers     Op = "list-users"     // nothing
	AddAgent      Op = "add-agent"      // User, Key
	ListAgents    Op = "list-agents"    // User
	SuspendAgent  Op = "suspend-agent"  // Agent
	ActivateAgent Op = "activate-agent" // Agent
	RemoveAgent   Op = "remove-agent"   // Agent
	AddShare      Op = "add-share"      // User (who owns URI), URI, To
	RemoveShare   Op = "remove-share"   // User, URI, To
	ListShares    Op = "list-shares"    // User

	UserUsage     Op = "user-usage"     // User
	SetRetention  Op = "set-retention"  // User, URI ("" for everything), Retention
	ListRetention Op = "list-retention" // User
	SetQuota      Op = "set-quota"      // User, Quota
	ShowQuota     Op = "show-quota"     // User
	SetPassword   Op = "set-password"   // User, Password ("" for none)
	RevokeLogins  Op = "revoke-logins"  // User, Agent ("" for all of the user's)

	ListMetrics   Op = "list-metrics"   // User, URI ("" for everything)
	DeleteMetrics Op = "delete-metrics" // User, URI, Tree

	HubStats Op = "hub-stats" // nothing
	Backup   Op = "backup"    // To, the absolute path of a directory that does not exist
)

// Request is one operation on the accounts of a hub.
type Request struct {
	Op    Op     `json:"op"`
	User  string `json:"user,omitempty"`
	Key   string `json:"key,omitempty"` // the text of a public key
	Agent string `json:"agent,omitempty"`
	URI   string `json:"uri,omitempty"` // local to User
	To    string `json:"to,omitempty"`
	// Tree has everything below URI deleted, too.
	Tree      bool           `json:"tree,omitempty"`
	Password  string         `json:"password,omitempty"`
	Retention *hub.Retention `json:"retention,omitempty"`
	Quota     *hub.Quota     `json:"quota,omitempty"`
}

// Reply is what became of a [Request]: the field that its operation fills, or Error.
type Reply struct {
	Error string `json:"error,omitempty"`
	// ID is the name that an added agent was given.
	ID     string   `json:"id,omitempty"`
	Users  []string `json:"users,omitempty"`
	Agents []Agent  `json:"agents,omitempty"`
	Shares []Share  `json:"shares,omitempty"`

	Usage     *Usage              `json:"usage,omitempty"`
	Retention []hub.RetentionRule `json:"retention,omitempty"`
	Quota     *hub.Quota          `json:"quota,omitempty"`
	Metrics   []Metric            `json:"metrics,omitempty"`
	// Count is how many logins were revoked, or metrics deleted.
	Count int        `json:"count,omitempty"`
	Stats *hub.Stats `json:"stats,omitempty"`
}

// Agent is an authorised key.
type Agent struct {
	ID          string    `json:"id"`
	Fingerprint string    `json:"fingerprint"`
	Active      bool      `json:"active"`
	Added       time.Time `json:"added"`
}

// Share is a subtree of the owner's that another user may read.
type Share struct {
	Owner string `json:"owner"`
	URI   string `json:"uri"`
	To    string `json:"to"`
}

// execute does what a request asks for. Fields that the operation does not need are ignored.
func execute(ctx context.Context, h *hub.Hub, r Request) (Reply, error) {
	uri := metric.URI(r.URI)
	switch r.Op {
	case AddUser:
		return Reply{}, h.AddUser(ctx, r.User)
	case ListUsers:
		return Reply{Users: h.Users()}, nil
	case AddAgent:
		key, err := connection.ParsePublicKey(r.Key)
		if err != nil {
			return Reply{}, err
		}
		id, err := h.AddAgent(ctx, r.User, key)
		return Reply{ID: string(id)}, err
	case ListAgents:
		return listAgents(h, r.User)
	case SuspendAgent:
		return Reply{}, h.SuspendAgent(ctx, hub.AgentID(r.Agent))
	case ActivateAgent:
		return Reply{}, h.ActivateAgent(ctx, hub.AgentID(r.Agent))
	case RemoveAgent:
		return Reply{}, h.RemoveAgent(ctx, hub.AgentID(r.Agent))
	case AddShare:
		return Reply{}, h.Share(ctx, r.User, uri, r.To)
	case RemoveShare:
		return Reply{}, h.Unshare(ctx, r.User, uri, r.To)
	case ListShares:
		return listShares(h, r.User)
	case HubStats:
		stats := h.Stats()
		return Reply{Stats: &stats}, nil
	case Backup:
		if !filepath.IsAbs(r.To) {
			return Reply{}, fmt.Errorf("admin: backup directory %q must be absolute", r.To)
		}
		return Reply{}, h.Backup(ctx, r.To)
	case ListMetrics:
		return listMetrics(ctx, h, r.User, uri)
	case DeleteMetrics:
		return deleteMetrics(ctx, h, r.User, uri, r.Tree)
	}
	return executeSetting(ctx, h, r)
}

// executeSetting does what concerns one user's settings.
func executeSetting(ctx context.Context, h *hub.Hub, r Request) (Reply, error) {
	switch r.Op {
	case UserUsage:
		return usage(ctx, h, r.User)
	case SetRetention:
		return Reply{}, h.SetRetention(ctx, r.User, metric.URI(r.URI), orZero(r.Retention))
	case ListRetention:
		rules, err := h.Retention(r.User)
		return Reply{Retention: rules}, err
	case SetQuota:
		return Reply{}, h.SetQuota(ctx, r.User, orZero(r.Quota))
	case ShowQuota:
		quota, err := h.Quota(r.User)
		return Reply{Quota: &quota}, err
	case SetPassword:
		return Reply{}, h.SetPassword(ctx, r.User, r.Password)
	case RevokeLogins:
		n, err := h.RevokeSessions(ctx, r.User, hub.AgentID(r.Agent))
		return Reply{Count: n}, err
	}
	return Reply{}, fmt.Errorf("admin: operation %.40q is not known to this version", r.Op)
}

func listAgents(h *hub.Hub, user string) (Reply, error) {
	all, err := h.AgentsOf(user)
	agents := make([]Agent, len(all))
	for i, a := range all {
		agents[i] = Agent{ID: string(a.ID), Fingerprint: a.Key.Fingerprint(), Active: a.Active, Added: a.Added}
	}
	return Reply{Agents: agents}, err
}

// listShares returns what the user gives, and then what the user was given.
func listShares(h *hub.Hub, user string) (Reply, error) {
	given, received, err := h.Shares(user)
	var shares []Share
	for _, s := range append(given, received...) {
		shares = append(shares, Share{Owner: s.Owner, URI: string(s.URI), To: s.To})
	}
	return Reply{Shares: shares}, err
}
