"""Check ``BucketedReduction`` in this process, one of several; prints "checked".

Four parameters in buckets of one or two: one that all processes use, one that only the second uses, one that none
uses, and one that all use from the second step on.
"""

import torch
from torch import Tensor, nn
from torch import distributed as dist

from otx.training.processes import ProcessGroup, ProcessLost, open_processes
from otx.training.reduction import make_reduction


def main() -> None:
    with open_processes(torch.device("cpu")) as processes:
        assert isinstance(processes, ProcessGroup)
        rank, count = processes.rank, processes.count
        collectives(processes)
        shared, seldom, never, later = (
            nn.Parameter(torch.full((size,), float(size))) for size in (2, 3, 4, 5)
        )
        parameters = [shared, seldom, never, later]
        reduction = make_reduction(processes, parameters)
        sums: list[Tensor] = []
        original = dist.all_reduce

        def counted(tensor: Tensor, *arguments: object, **options: object) -> object:
            if tensor.is_floating_point():
                sums.append(tensor)
            return original(tensor, *arguments, **options)

        dist.all_reduce = counted
        for step in range(4):
            value = (shared * (rank + 1)).sum()
            if rank == 1:
                value = value + (2 * seldom).sum()
            if step > 0:
                value = value + (later * later).sum() / count
            reduction.backward(value, last=False)
            assert not sums, "nothing travels before the last micro-batch"
            reduction.backward(value.detach() * 0 + (shared * 10).sum(), last=True)
            bad = reduction.finish(torch.tensor(float(step == 2 and rank == 2)))
            assert bad == float(step == 2)
            total = sum(range(1, count + 1)) + 10 * count
            assert shared.grad is not None and shared.grad.tolist() == [total] * 2
            assert seldom.grad is not None and seldom.grad.tolist() == [2] * 3
            assert never.grad is None
            assert (later.grad is None) == (step == 0)
            if later.grad is not None:
                assert torch.allclose(later.grad, 2 * later), later.grad
            # All of them are small: one bucket, and one more where a parameter comes late.
            assert len(sums) == (2 if step == 1 else 1), len(sums)
            sums.clear()
            for parameter in parameters:
                parameter.grad = None
        dist.all_reduce = original
        reduction.close()
        shared.sum().backward()
        assert shared.grad is not None and shared.grad.tolist() == [1, 1]
    print("checked")


def collectives(processes: ProcessGroup) -> None:
    rank, count = processes.rank, processes.count
    assert processes.sum(torch.tensor([1.0, rank])).tolist() == [count, sum(range(count))]
    assert processes.any([rank == 1, False]) == [True, False]
    assert processes.gather(rank) == list(range(count))
    assert processes.from_first(f"of {rank}") == "of 0"
    tensor = torch.full((2, 2), float(rank)).T
    processes.copy_first([tensor])
    assert tensor.tolist() == [[0, 0], [0, 0]]
    assert processes.meet(rank == 2) and not processes.meet()
    try:
        with processes.guarded():
            raise ProcessLost("it fails")
    except ProcessLost as error:
        assert error.message == "it fails"


if __name__ == "__main__":
    main()
