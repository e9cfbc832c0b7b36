package bench

import (
	"context"
	"errors"
)

type hubOrder struct{}

type hubWorker interface{ close() }

func (p *worker) followHub(context.Context, *hubOrder) (answer, error) {
	return answer{}, errors.New("no")
}

func runHub(ctx context.Context, c *Config, w Workload, key string) (Result, error) {
	return Result{}, errors.New("no")
}
