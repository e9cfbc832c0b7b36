// Package bus says how the hubs of one service tell each other of what they have stored. [Bus] is the whole contract;
// [Direct] keeps it by calls within one process, and bustest is the suite that every bus passes.
//
// A bus carries each accepted message once to each hub that is interested in its owner. Handing it to the sessions
// of one hub is that hub's business, and needs no bus: a hub that is alone never hears from it. A bus may lose
// messages, when a line breaks say: a hub that sees a gap in an owner's positions reads what it missed from the
// store.
package bus
