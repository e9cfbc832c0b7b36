// Package clicontext keeps what the command line knows about hubs: named contexts in a file, each with a hub, a user
// and the path of a key, and which of them is current. No secret is ever in the file.
//
// [Resolve] says where a command connects. For each of the three it takes the first that is given: the flag, then the
// context that a flag names, then the environment, then the current context.
//
//	path, err := clicontext.Path(os.Getenv)
//	file, err := clicontext.Load(path)
//	where, err := file.Resolve(flags, "", os.Getenv)
package clicontext
