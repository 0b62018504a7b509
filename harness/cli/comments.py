# SPDX-License-Identifier: GPL-2.0-only
"""What the comment behind a member or a field says of it, for pages made from the code."""

import ast
import inspect
import io
import textwrap
import tokenize


def comments_of(kind: type) -> dict[str, str]:
    """Return by name the comment at the end of each member's or field's line; "" without one."""
    source = textwrap.dedent(inspect.getsource(kind))
    told = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.line.strip() != token.string
    }
    (body,) = ast.parse(source).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - `kind` is a class
    found = {}
    for one in body.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = told.get(one.end_lineno or 0, "")
            case _:
                pass
    return found
