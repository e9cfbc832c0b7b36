// Package pipe provides network connections inside one process: buffered pairs of [net.Conn] and a [net.Listener]
// that hands them out. An embedded hub and the sessions of its own process talk over it with the same bytes as over
// a socket, without a port.
//
// [net.Pipe] has no buffer, so two sides that both write block each other; a [Conn] takes up to 64 KiB each way
// before a Write blocks, as a socket would. Deadlines, half close ([Conn.CloseWrite]) and errors are those of a TCP
// connection where net/http and websockets rely on them. Everything blocks on condition variables and channels
// only, so that a pair works inside a testing/synctest bubble.
package pipe
