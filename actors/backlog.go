package actors

// backlog is an account of the messages that triggers may still hold: those from the oldest outstanding cut on. It is
// a plain value of the router's turn. Messages are shared by all the impulses they trigger, so what an impulse's queue
// holds cannot be told from the queue alone.
type backlog struct {
	messages []queuedMessage // in order of their numbers; those before head are gone
	head     int
	bytes    int64
	checked  int64 // bytes after the last prune: nothing is looked at before they have doubled
}

type queuedMessage struct {
	number uint64
	bytes  int64
}

// backlogSlack is how much may come before the outstanding cuts are looked at again.
const backlogSlack = 4 << 20

// add notes a routed message. It reports whether so much has come that prune is due.
func (l *backlog) add(number uint64, bytes int64) (due bool) {
	l.messages = append(l.messages, queuedMessage{number, bytes})
	l.bytes += bytes
	return l.bytes > 2*l.checked+backlogSlack
}

// prune forgets the messages before the oldest outstanding cut, which no trigger holds.
func (l *backlog) prune(oldest uint64) {
	for l.head < len(l.messages) && l.messages[l.head].number < oldest {
		l.bytes -= l.messages[l.head].bytes
		l.head++
	}
	if l.head > len(l.messages)/2 {
		n := copy(l.messages, l.messages[l.head:])
		l.messages, l.head = l.messages[:n], 0
		if cap(l.messages) > keepCap && n < cap(l.messages)/4 {
			l.messages = append([]queuedMessage(nil), l.messages...)
		}
	}
	l.checked = l.bytes
}
