//! In which worlds an operation may have left us whose answer was cut off.

use crate::world::{State, World};

/// Where an operation that was cut off may have left us between these two worlds: each path that
/// differs, each request whose files differ, before or after. What a put had on disk goes before
/// its state changes (also where srmPutDone keeps the old content), and its content comes together
/// with its state.
pub fn between(before: &World, after: &World) -> Vec<World> {
    let mut worlds = vec![before.clone()];
    let fork = |worlds: &mut Vec<World>, change: &dyn Fn(&mut World)| {
        let mut more = worlds.clone();
        more.iter_mut().for_each(change);
        for world in more {
            if !worlds.contains(&world) {
                worlds.push(world);
            }
        }
    };
    let mut published = Vec::new();
    for (number, request) in &before.requests {
        for (at, file) in request.files.iter().enumerate() {
            let then = after.file((*number, at)).clone();
            if *file == then {
                continue;
            }
            let put = request.kind.puts();
            let content = after.nodes.get(&file.path).cloned();
            let publishes =
                then.state == State::Done && content != before.nodes.get(&file.path).cloned();
            if put && file.state == State::Live && !publishes {
                fork(&mut worlds, &|world| {
                    world.change((*number, at), |f| (f.data, f.doubtful) = (None, true));
                });
            }
            // The empty file that srmPutDone makes where nothing was written.
            if publishes && file.data.is_none() {
                fork(&mut worlds, &|world| {
                    world.change((*number, at), |f| f.data = Some(0));
                });
            }
            if publishes {
                published.push(file.path.clone());
            }
            fork(&mut worlds, &|world| {
                world.change((*number, at), |f| *f = then.clone());
                if let Some(content) = content.clone().filter(|_| publishes) {
                    world.nodes.insert(file.path.clone(), content);
                }
            });
        }
        let aborted = after.requests[number].aborted;
        if aborted != request.aborted {
            fork(&mut worlds, &|world| {
                if let Some(request) = world.requests.get_mut(number) {
                    request.aborted = aborted;
                }
            });
        }
    }
    let moved = after.nodes.keys().any(|path| !before.nodes.contains_key(path))
        && after.nodes.len() == before.nodes.len();
    if moved {
        // A rename is one step.
        fork(&mut worlds, &|world| world.nodes = after.nodes.clone());
        return worlds;
    }
    let paths = before.nodes.keys().chain(after.nodes.keys()).filter(|p| !published.contains(p));
    for path in paths.cloned().collect::<std::collections::BTreeSet<String>>() {
        let then = after.nodes.get(&path).cloned();
        if then == before.nodes.get(&path).cloned() {
            continue;
        }
        fork(&mut worlds, &|world| {
            match then.clone() {
                Some(node) => world.nodes.insert(path.clone(), node),
                None => world.nodes.remove(&path),
            };
        });
    }
    worlds
}
