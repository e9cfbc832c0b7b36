// Package hubtest runs a hub inside a test.
//
//	h := hubtest.New(t)
//	key := h.User("alice")
//	session, err := komstream.Open(ctx, komstream.Config{Hub: h.URL(), Dial: h.Dial, Username: "alice", Key: key})
//
// The hub keeps its data in a directory of the test and closes itself when the test ends.
package hubtest
