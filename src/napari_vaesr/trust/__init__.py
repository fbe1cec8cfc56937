"""How far to trust a result: scored where the truth is known, checked where it is not, with error bars."""
