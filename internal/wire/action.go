package wire

// Action is what a message is about.
type Action uint8

// The actions of the protocol. The zero Action is none.
const (
	// ActionGenericResponse is the answer to a request.
	ActionGenericResponse Action = iota + 1
	// ActionSendDsData stores one text.
	ActionSendDsData
	// ActionSendDpData stores one number.
	ActionSendDpData
	// ActionSendMultiData stores samples of one time; from a hub it is the notification of an update.
	ActionSendMultiData
	// ActionSendDsInfo says which metrics may be recognised inside a text.
	ActionSendDsInfo
	// ActionHookToURI subscribes to a metric.
	ActionHookToURI
	// ActionUnhookFromURI ends a subscription.
	ActionUnhookFromURI
	// ActionRequestData asks for history.
	ActionRequestData
	// ActionSendDataInterval is a page of history.
	ActionSendDataInterval
	// ActionDeleteURI deletes a metric, and may name the type of what takes its place. See [FeatureDelete].
	ActionDeleteURI
	// ActionListURIs asks for a page of a data model, and is the page. See [FeatureList].
	ActionListURIs
	// ActionShare lets another user read a part of the data model. See [FeatureShare].
	ActionShare
	// ActionUnshare withdraws a share.
	ActionUnshare
	// ActionListShares asks for a page of the shares that the user gave and got, and is the page.
	ActionListShares
	// ActionSendBatch stores samples of many times, all or none. See [FeatureBatch].
	ActionSendBatch
	// ActionSince asks for a page of the log of arrivals, and is the page. See [FeatureSince].
	ActionSince
	// ActionMissedData tells an agent which notifications it did not get. See [FeatureMissed].
	ActionMissedData
)

var actionNames = [...]string{
	ActionGenericResponse:  "generic_response",
	ActionSendDsData:       "send_ds_data",
	ActionSendDpData:       "send_dp_data",
	ActionSendMultiData:    "send_multi_data",
	ActionSendDsInfo:       "send_ds_info",
	ActionHookToURI:        "hook_to_uri",
	ActionUnhookFromURI:    "unhook_from_uri",
	ActionRequestData:      "request_data",
	ActionSendDataInterval: "send_data_interval",
	ActionDeleteURI:        "delete_uri",
	ActionListURIs:         "list_uris",
	ActionShare:            "share",
	ActionUnshare:          "unshare",
	ActionListShares:       "list_shares",
	ActionSendBatch:        "send_batch",
	ActionSince:            "since",
	ActionMissedData:       "missed_data",
}

// String returns the action as it stands on the wire, or "none".
func (a Action) String() string {
	if a == 0 || int(a) >= len(actionNames) {
		return "none"
	}
	return actionNames[a]
}

// parseAction returns the action of that name, or 0.
func parseAction(name []byte) Action {
	for i, s := range actionNames {
		if s != "" && s == string(name) {
			return Action(i)
		}
	}
	return 0
}

// Statuses of a generic_response.
const (
	StatusExecuted    = 4200 // executed, durable and readable
	StatusAccepted    = 4202 // accepted, results follow (request_data only)
	StatusProtocol    = 4400 // the message is wrong
	StatusNotFound    = 4404 // no such metric; for a hook: registered all the same
	StatusDenied      = 4430 // not allowed
	StatusInternal    = 4500 // the hub's fault
	StatusExecution   = 4501 // the request cannot be executed
	StatusUnavailable = 4503 // storage is not available
)

// Codes that the decoder refuses with, beside those of [Action.Code].
const (
	CodeMalformed         = 350000
	CodeVersion           = 350001
	CodeUnsupportedAction = 200000
	CodeUsernameTooLong   = 800
	CodeCountOrInterval   = 202504
	CodeCount             = 202505
)

// Offsets of the codes of one request from its [Action.Code]: which part of the message is wrong.
const (
	faultURI     = 0 // the uri, or anything in a list of items
	faultEntry   = 1 // an entry of supplies, the type that delete_uri names, a user, or where a list goes on
	faultContent = 2 // the content, supplies that are no list, or a limit
	faultLoad    = 3 // a key is missing, payload is no object, or an id or time is no such thing
)

// Code returns the first of the error numbers that belong to a request, or 0 where a is none.
func (a Action) Code() int {
	switch a {
	case ActionSendDsData:
		return 202050
	case ActionSendDpData:
		return 202100
	case ActionSendDsInfo:
		return 202150
	case ActionSendMultiData:
		return 202200
	case ActionHookToURI:
		return 202300
	case ActionUnhookFromURI:
		return 202400
	case ActionRequestData:
		return 202500
	case ActionDeleteURI:
		return 202600
	case ActionListURIs:
		return 202700
	case ActionShare:
		return 202800
	case ActionUnshare:
		return 202900
	case ActionListShares:
		return 203000
	case ActionSendBatch:
		return 203100
	case ActionSince:
		return 203200
	}
	return 0
}

// Feature returns the feature that a peer must have announced to take part in the action, "" for an action of the
// original protocol.
func (a Action) Feature() string {
	switch a {
	case ActionDeleteURI:
		return FeatureDelete
	case ActionListURIs:
		return FeatureList
	case ActionShare, ActionUnshare, ActionListShares:
		return FeatureShare
	case ActionSendBatch:
		return FeatureBatch
	case ActionSince:
		return FeatureSince
	case ActionMissedData:
		return FeatureMissed
	}
	return ""
}
