// Package store says what a hub remembers and how it asks for it. [Store] is the whole contract; memstore keeps it
// in memory for tests, pebblestore in one directory on disk, and storetest is the suite that both pass.
//
// There are three kinds of data:
//
//   - records: small named things in tables (accounts, cookies, shares, metrics, hooks), read as a whole when the
//     hub starts and written as they change;
//   - samples: (series, time) → content, written by the million and read as ranges, newest first;
//   - the arrival log: for each owner the messages accepted, in the order of arrival, kept for a while.
//
// Everything is written through one call, [Store.Commit], so that what belongs together is there together or not at
// all. What the records hold is the hub's business; the store sees bytes.
package store
