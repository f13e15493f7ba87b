"""Which nodes the pods of an environment would run on, by hand-made machines and pods."""

from decimal import Decimal

import pytest

from seedbed.environments.aws import nodes, prices
from seedbed.environments.aws.prices import Machine
from seedbed.environments.cluster.demand import Workload

SMALL = Machine(type="small", cpu=2, gib=8, usd=Decimal("0.10"))
LARGE = Machine(type="large", cpu=4, gib=16, usd=Decimal("0.19"))


def chosen(*workloads, machines=(SMALL, LARGE)):
    found = nodes.cheapest(machines, workloads)
    return found and (found.machine.type, found.count)


def test_a_node_keeps_something_for_itself():
    # 6 % and 1 % of the first two cores; 7.5 % of 8192 MiB, and 255 + 110 x 11 + 100 MiB.
    room = nodes.room(SMALL)
    assert room.cpu == Decimal("1.93")
    assert room.memory / 2**20 == Decimal("6012.6")
    # Of four cores half a percent of the third and fourth too, and a quarter of each one more.
    assert nodes.room(LARGE).cpu == Decimal("3.92")
    assert nodes.room(Machine(type="x", cpu=8, gib=16, usd=Decimal(1))).cpu == Decimal("7.91")


def test_one_pod_goes_to_the_cheapest_machine_that_holds_it():
    assert chosen(Workload("a", "100m", "1Gi", "", 1)) == ("small", 1)
    assert chosen(Workload("a", "100m", "6Gi", "", 1)) == ("large", 1)
    assert chosen(Workload("a", "1950m", "1Gi", "", 1)) == ("large", 1)
    assert chosen(Workload("a", "100m", "15Gi", "", 1)) is None


def test_several_machines_or_a_larger_one_whichever_costs_less():
    # Together 10 GiB: two small ones for 0.20, or a large one for 0.19.
    five = [Workload(name, "100m", "5Gi", "", 1) for name in "ab"]
    assert chosen(*five) == ("large", 1)
    dear = Machine(type="dear", cpu=4, gib=16, usd=Decimal("0.21"))
    assert chosen(*five, machines=(SMALL, dear)) == ("small", 2)


def test_at_the_same_price_fewer_nodes_are_taken():
    double = Machine(type="double", cpu=4, gib=16, usd=Decimal("0.20"))
    assert chosen(*(Workload(name, "100m", "5Gi", "", 1) for name in "ab"), machines=(SMALL, double)) == ("double", 1)


def test_pods_of_a_kind_are_on_different_nodes():
    assert chosen(Workload("a", "100m", "128Mi", "", 3)) == ("small", 3)
    assert chosen(Workload("a", "100m", "128Mi", "", 2), Workload("b", "100m", "128Mi", "", 2)) == ("small", 2)


def test_many_small_pods_fill_what_is_left_and_need_no_node_of_their_own():
    platform = Workload("a", "100m", "5Gi", "", 2)
    # 6012 - 5120 MiB are left on each of two.
    assert chosen(platform, Workload("pipelines", "100m", "1700Mi", "", 1, spread=True)) == ("small", 2)
    assert chosen(platform, Workload("pipelines", "100m", "1800Mi", "", 1, spread=True), machines=(SMALL,)) == (
        "small", 3,
    )  # fmt: skip


def test_pods_are_packed_by_what_is_scarcer_and_nodes_compared_with_all_that_comes_with_them():
    # By memory alone the first two share a node, and the third and fourth need one each.
    pods = [
        Workload(name, cpu, memory, "", 1)
        for name, cpu, memory in (("a", "1", "3Gi"), ("b", "1", "2Gi"), ("c", "900m", "2Gi"), ("d", "900m", "1Gi"))
    ]
    assert chosen(*pods, machines=(SMALL,)) == ("small", 2)
    three = [Workload(name, "100m", "5Gi", "", 1) for name in "abc"]
    triple = Machine(type="triple", cpu=8, gib=32, usd=Decimal("0.31"))
    assert chosen(*three, machines=(SMALL, triple)) == ("small", 3)
    found = nodes.cheapest((SMALL, triple), three, lambda machine: machine.usd + Decimal("0.01"))
    assert (found.machine.type, found.count) == ("triple", 1)


@pytest.mark.parametrize("machine", prices.table().machines, ids=lambda machine: machine.type)
def test_every_machine_of_the_table_is_chosen_by_some_pod(machine):
    # A row that nothing leads to would be a price that nobody checks.
    room = nodes.room(machine)
    pod = Workload("a", f"{int(room.cpu * 1000)}m", f"{int(room.memory / 2**20)}Mi", "", 1)
    assert nodes.cheapest(prices.table().machines, [pod]) == nodes.Nodes(machine, 1)
