package daemon

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	memoryCheck = 3 * time.Second
	memorySlack = 8 << 20 // bytes that are not worth a collection
)

// returnMemory gives back what a start, a reload or a burst of rotations left behind,
// once it is over: the garbage collector by itself keeps as much again as is in use.
// unmap does the same for what is mapped of files.
func returnMemory(ctx context.Context, unmap func()) {
	var before, floor uint64
	for wait(ctx, memoryCheck) {
		allocated, held := readMemory()
		quiet := allocated-before < memorySlack
		before = allocated
		if quiet && held > floor+floor/10+memorySlack {
			unmap()
			debug.FreeOSMemory()
			_, floor = readMemory()
		}
	}
}

// readMemory returns the bytes allocated since the start, and those that the heap
// holds of the machine's memory.
func readMemory() (allocated, held uint64) {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64() + s[2].Value.Uint64() + s[3].Value.Uint64()
}
