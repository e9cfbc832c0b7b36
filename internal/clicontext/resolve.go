package clicontext

import "fmt"

// Resolve returns where a command connects, given its flags, the context that a flag names ("" for none), and the
// environment. The flag's context goes before the environment, since a flag does; a current one goes behind it. The
// error names what is nowhere given, and where to give it.
func (f File) Resolve(flags Context, named string, getenv func(string) string) (Context, error) {
	var chosen, fallback Context
	var err error
	if named != "" {
		if chosen, err = f.Get(named); err != nil {
			return Context{}, err
		}
	} else {
		name := getenv("KOMSTREAM_CONTEXT")
		if name == "" {
			name = f.Current
		}
		if name != "" {
			if fallback, err = f.Get(name); err != nil {
				return Context{}, err
			}
		}
	}
	first := func(flag, chosen, variable, fallback string) string {
		for _, text := range []string{flag, chosen, getenv(variable), fallback} {
			if text != "" {
				return text
			}
		}
		return ""
	}
	c := Context{
		Hub:  first(flags.Hub, chosen.Hub, "KOMSTREAM_HUB", fallback.Hub),
		User: first(flags.User, chosen.User, "KOMSTREAM_USER", fallback.User),
		Key:  first(flags.Key, chosen.Key, "KOMSTREAM_KEY", fallback.Key),
	}
	for _, need := range []struct{ value, what, flag, variable string }{
		{c.Hub, "hub", "--hub URL", "KOMSTREAM_HUB"}, {c.User, "user", "--user NAME", "KOMSTREAM_USER"},
		{c.Key, "key", "--key FILE", "KOMSTREAM_KEY"},
	} {
		if need.value == "" {
			return c, fmt.Errorf("clicontext: no %s is named: give %s, set %s, or store one with `komstream login`",
				need.what, need.flag, need.variable)
		}
	}
	return c, nil
}
