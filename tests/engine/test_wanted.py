"""Who asks for work says whether it is still wanted, for this thread alone."""

from __future__ import annotations

from threading import Thread

import pytest

from napari_vaesr.engine.wanted import given_up_when, unwanted_test


def test_it_is_asked_within_the_with_of_this_thread_alone():
    elsewhere = []
    assert not unwanted_test()()
    with given_up_when(lambda: True):
        assert unwanted_test()()
        with given_up_when(lambda: False):
            assert not unwanted_test()()
        assert unwanted_test()()
        other = Thread(target=lambda: elsewhere.append(unwanted_test()()))
        other.start()
        other.join()
    assert elsewhere == [False] and not unwanted_test()()


def test_an_error_leaves_no_test_behind():
    with pytest.raises(KeyError), given_up_when(lambda: True):
        raise KeyError
    assert not unwanted_test()()
